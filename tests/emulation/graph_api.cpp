// Capture of streams into graphs, and their replay.

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "emulation/control.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/streams.h"

namespace gnn::emulation {
namespace {

/// What cudaGraphLaunch runs: the nodes of a graph, kept alive beyond it.
struct Executable {
  std::vector<Graph::Node> nodes;
};

template <class Item, class Handle>
class Handles {
 public:
  Handle add(std::unique_ptr<Item> item) {
    items_.push_back(std::move(item));
    return reinterpret_cast<Handle>(items_.back().get());
  }
  Item* find(Handle handle) const {
    for (const auto& item : items_) {
      if (reinterpret_cast<Handle>(item.get()) == handle) return item.get();
    }
    report("a graph is used that does not exist, or was destroyed");
    return nullptr;
  }
  bool remove(Handle handle) {
    return std::erase_if(
               items_, [&](const auto& item) { return reinterpret_cast<Handle>(item.get()) == handle; }) > 0;
  }

 private:
  std::vector<std::unique_ptr<Item>> items_;
};

auto& graphs() {
  static auto& all = *new Handles<Graph, cudaGraph_t>;
  return all;
}

auto& executables() {
  static auto& all = *new Handles<Executable, cudaGraphExec_t>;
  return all;
}

/// An order that the dependencies allow: the recorded one, or with a seed any.
std::vector<std::size_t> replay_order(const std::vector<Graph::Node>& nodes) {
  std::vector<std::size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!options().seed) return order;
  std::vector<std::size_t> missing(nodes.size());
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    missing[i] = nodes[i].after.size();
    if (missing[i] == 0) ready.push_back(i);
  }
  order.clear();
  while (!ready.empty()) {
    std::swap(ready[random_engine()() % ready.size()], ready.back());
    const std::size_t done = ready.back();
    ready.pop_back();
    order.push_back(done);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto uses = std::count(nodes[i].after.begin(), nodes[i].after.end(), done);
      if (uses > 0 && (missing[i] -= static_cast<std::size_t>(uses)) == 0) ready.push_back(i);
    }
  }
  return order;
}

/// True when `to` can take the place of `from`: the same kinds of work with the same dependencies.
bool same_topology(const std::vector<Graph::Node>& from, const std::vector<Graph::Node>& to) {
  return std::equal(from.begin(), from.end(), to.begin(), to.end(),
                    [](const Graph::Node& a, const Graph::Node& b) {
                      return a.type == b.type && a.function == b.function && a.after == b.after;
                    });
}

void leave_capture(Capture& capture) {
  for (Stream* stream : capture.streams) {
    stream->capture = nullptr;
    stream->capture_after.clear();
  }
}

}  // namespace
}  // namespace gnn::emulation

using namespace gnn::emulation;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (handle == nullptr || handle == cudaStreamLegacy) {
    report("the default stream cannot be captured");
    return finish(cudaErrorStreamCaptureUnsupported);
  }
  if (capturing(*stream)) return finish(cudaErrorIllegalState);
  static unsigned long long last_id = 0;
  stream->capture = std::make_shared<Capture>();
  stream->capture->graph = new Graph;
  stream->capture->graph->id = ++last_id;
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  stream->capture->streams.push_back(stream);
  stream->capture_after.clear();
  return finish(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* result) {
  const std::lock_guard lock(runtime_mutex());
  *result = nullptr;
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (!capturing(*stream)) return finish(cudaErrorIllegalState);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture->streams.front() != stream) return finish(cudaErrorStreamCaptureUnmatched);
  std::unique_ptr<Graph> graph(std::exchange(capture->graph, nullptr));
  // Every forked stream must have been joined: the last node of each is waited for.
  bool unjoined = false;
  std::vector<bool> reached(graph->nodes.size());
  std::vector<std::size_t> open = stream->capture_after;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), graph->nodes[node].after.begin(), graph->nodes[node].after.end());
  }
  for (const Stream* other : capture->streams) {
    for (const std::size_t node : other->capture_after) unjoined = unjoined || !reached[node];
  }
  leave_capture(*capture);
  if (capture->invalid) return finish(cudaErrorStreamCaptureInvalidated);
  if (unjoined) {
    report("a capture ends while a stream that joined it was not joined back");
    return finish(cudaErrorStreamCaptureUnjoined);
  }
  *result = graphs().add(std::move(graph));
  return finish(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  *status = !capturing(*stream)        ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return finish(cudaSuccess);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  const std::lock_guard lock(runtime_mutex());
  std::swap(thread_capture_mode(), *mode);
  return finish(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* result, cudaGraph_t handle, unsigned long long) {
  const std::lock_guard lock(runtime_mutex());
  const Graph* graph = graphs().find(handle);
  if (graph == nullptr) return finish(cudaErrorInvalidValue);
  *result = executables().add(std::make_unique<Executable>(Executable{graph->nodes}));
  return finish(cudaSuccess);
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t handle, cudaGraph_t graph_handle,
                                cudaGraphExecUpdateResultInfo* info) {
  const std::lock_guard lock(runtime_mutex());
  Executable* const executable = executables().find(handle);
  const Graph* const graph = graphs().find(graph_handle);
  if (executable == nullptr || graph == nullptr) return finish(cudaErrorInvalidValue);
  const bool same = same_topology(executable->nodes, graph->nodes);
  if (info != nullptr) {
    *info = {};
    info->result = same ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
  }
  if (!same) return finish(cudaErrorGraphExecUpdateFailure);
  executable->nodes = graph->nodes;
  return finish(cudaSuccess);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t handle, cudaStream_t) {
  const std::lock_guard lock(runtime_mutex());
  return finish(executables().find(handle) == nullptr ? cudaErrorInvalidValue : cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle) {
  const std::lock_guard lock(runtime_mutex());
  const Executable* const executable = executables().find(handle);
  if (executable == nullptr) return finish(cudaErrorInvalidValue);
  Stream* const stream = find_stream(stream_handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::graph_launch, injected)) return finish(injected);
  return finish(issue(*stream, {[nodes = executable->nodes] {
                                  for (const std::size_t i : replay_order(nodes)) {
                                    const cudaError_t status = nodes[i].operation->work();
                                    if (status != cudaSuccess) return status;
                                  }
                                  return cudaSuccess;
                                },
                                cudaGraphNodeTypeGraph, handle}));
}

cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, size_t* count) {
  const std::lock_guard lock(runtime_mutex());
  Graph* const graph = graphs().find(handle);
  if (graph == nullptr) return finish(cudaErrorInvalidValue);
  if (nodes != nullptr) {
    for (std::size_t i = 0; i < std::min(*count, graph->nodes.size()); ++i)
      nodes[i] = reinterpret_cast<cudaGraphNode_t>(&graph->nodes[i]);
  }
  *count = graph->nodes.size();
  return finish(cudaSuccess);
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  const std::lock_guard lock(runtime_mutex());
  *type = reinterpret_cast<const Graph::Node*>(node)->type;
  return finish(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t handle) {
  const std::lock_guard lock(runtime_mutex());
  return finish(graphs().remove(handle) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  const std::lock_guard lock(runtime_mutex());
  return finish(executables().remove(handle) ? cudaSuccess : cudaErrorInvalidValue);
}
