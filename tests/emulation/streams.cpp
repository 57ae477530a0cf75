// In-order queues of work. In the lazy mode nothing runs before the host waits for it: work that the host
// should have waited for, or that another stream should have waited for, is then found undone.

#include "emulation/streams.h"

#include <algorithm>
#include <map>

#include "emulation/memory.h"
#include "emulation/options.h"
#include "emulation/report.h"

namespace gnn::emulation {
namespace {

constexpr std::size_t most_pending = 4096;  // of a stream, before its oldest work runs anyway

std::vector<std::unique_ptr<Stream>>& streams() {
  static auto& all = *new std::vector<std::unique_ptr<Stream>>;
  return all;
}

Stream& default_stream(int device) {
  static auto& defaults = *new std::map<int, Stream*>;
  Stream*& stream = defaults[device];
  if (stream == nullptr) stream = new Stream(device);
  return *stream;
}

bool is_default(const Stream& stream) {
  return &stream == &default_stream(stream.device);
}

template <class F>
void for_each_stream(int device, const F& work) {
  work(default_stream(device));
  for (const auto& stream : streams()) {
    if (stream->device == device) work(*stream);
  }
}

void run(Stream& stream, const OperationPtr& operation);

/// Runs the stream's work up to `last`, which is in its queue. (By value: the queue's own pointer goes.)
void run_up_to(Stream& stream, OperationPtr last) {
  while (!last->done && !stream.pending.empty()) {
    const OperationPtr next = stream.pending.front();
    stream.pending.pop_front();
    run(stream, next);
  }
}

/// Runs whatever stream holds it.
void run_wherever(const OperationPtr& operation) {
  for (int device = 0; device < options().devices && !operation->done; ++device) {
    for_each_stream(device, [&](Stream& stream) {
      if (operation->done) return;
      if (std::find(stream.pending.begin(), stream.pending.end(), operation) != stream.pending.end())
        run_up_to(stream, operation);
    });
  }
}

void run(Stream& stream, const OperationPtr& operation) {
  for (const OperationPtr& earlier : operation->after) {
    if (!earlier->done) run_wherever(earlier);
  }
  run_as_stream(*stream.pool, [&] {
    acquire(&operation->issued);
    for (const OperationPtr& earlier : operation->after) acquire(&earlier->order);
    if (operation->work && sticky_error() == cudaSuccess) {
      const DeviceAccess access;
      const int device = current_device();
      current_device() = stream.device;
      const cudaError_t status = operation->work();
      current_device() = device;
      if (status != cudaSuccess) set_sticky_error(status);
    }
    operation->work = nullptr;  // here, for TSan: the kernel's threads have read the arguments that it owns
    release(&operation->order);
  });
  operation->finished = std::chrono::steady_clock::now();
  operation->done = true;
  operation->after.clear();
}

OperationPtr enqueue(Stream& stream, std::function<cudaError_t()> work) {
  auto operation = std::make_shared<Operation>();
  operation->work = std::move(work);
  release(&operation->issued);
  // The default stream waits for all blocking streams of the device, and they wait for it.
  if (is_default(stream)) {
    for_each_stream(stream.device, [&](Stream& other) {
      if (&other != &stream && (other.flags & cudaStreamNonBlocking) == 0 && other.last != nullptr)
        operation->after.push_back(other.last);
    });
  } else if ((stream.flags & cudaStreamNonBlocking) == 0) {
    if (const OperationPtr& last = default_stream(stream.device).last) operation->after.push_back(last);
  }
  stream.last = operation;
  stream.pending.push_back(operation);
  if (!options().lazy || stream.pending.size() > most_pending)
    run_up_to(stream, options().lazy ? stream.pending.front() : operation);
  return operation;
}

/// With a seed, other streams get on a little before the one that is waited for.
void disturb() {
  if (!options().lazy || !options().seed) return;
  for (int device = 0; device < options().devices; ++device) {
    for_each_stream(device, [&](Stream& stream) {
      std::size_t count = random_engine()() % 4 == 0 ? random_engine()() % (stream.pending.size() + 1) : 0;
      while (count-- > 0 && !stream.pending.empty()) run_up_to(stream, stream.pending.front());
    });
  }
}

}  // namespace

int& current_device() {
  static thread_local int device = 0;
  return device;
}

Stream* find_stream(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return &default_stream(current_device());
  for (const auto& stream : streams()) {
    if (reinterpret_cast<cudaStream_t>(stream.get()) == handle) return stream.get();
  }
  report("a stream is used that does not exist, or was destroyed");
  return nullptr;
}

Stream* find_launch_stream(cudaStream_t handle) {
  Stream* const stream = find_stream(handle);
  if (stream == nullptr || stream->device == current_device()) return stream;
  report("a launch goes to a stream of device " + std::to_string(stream->device) + " while device " +
         std::to_string(current_device()) + " is current");
  return nullptr;
}

Stream* add_stream(int device, unsigned flags) {
  return streams().emplace_back(std::make_unique<Stream>(device, flags)).get();
}

void remove_stream(Stream* stream) {
  std::erase_if(streams(), [&](const auto& one) { return one.get() == stream; });
}

bool capturing(const Stream& stream) {
  return stream.capture != nullptr;
}

cudaError_t issue(Stream& stream, Work work) {
  if (capturing(stream)) {
    if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
    Graph& graph = *stream.capture->graph;
    auto operation = std::make_shared<Operation>();
    operation->work = std::move(work.run);
    graph.nodes.push_back({operation, work.type, work.function, stream.capture_after});
    stream.capture_after = {graph.nodes.size() - 1};
    return cudaSuccess;
  }
  enqueue(stream, std::move(work.run));
  return sticky_error();
}

void wait_for(Stream& stream, const OperationPtr& operation) {
  if (operation->done && !with_tsan) return;
  auto wait = std::make_shared<Operation>();
  wait->after.push_back(operation);
  release(&wait->issued);
  stream.last = wait;
  stream.pending.push_back(wait);
  if (!options().lazy) run_up_to(stream, wait);
}

OperationPtr mark(Stream& stream) {
  return enqueue(stream, nullptr);
}

cudaError_t complete(const OperationPtr& operation) {
  if (operation == nullptr) return sticky_error();
  disturb();
  run_wherever(operation);
  acquire(&operation->order);
  return sticky_error();
}

cudaError_t complete(Stream& stream) {
  return complete(stream.last);
}

cudaError_t complete_device(int device) {
  disturb();
  for_each_stream(device, [](Stream& stream) {
    if (stream.last == nullptr) return;
    run_up_to(stream, stream.last);
    acquire(&stream.last->order);
  });
  return sticky_error();
}

cudaError_t complete_all() {
  for (int device = 0; device < options().devices; ++device) complete_device(device);
  return sticky_error();
}

void make_progress() {
  for (int device = 0; device < options().devices; ++device) {
    bool found = false;
    for_each_stream(device, [&](Stream& stream) {
      if (found || stream.pending.empty()) return;
      found = true;
      run_up_to(stream, stream.pending.front());
    });
    if (found) return;
  }
}

cudaStreamCaptureMode& thread_capture_mode() {
  static thread_local cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  return mode;
}

cudaError_t forbid_during_capture(const char* call) {
  for (const auto& stream : streams()) {
    if (!capturing(*stream) || stream->capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool own = stream->capture->thread == std::this_thread::get_id();
    if (!own && stream->capture->mode == cudaStreamCaptureModeThreadLocal) continue;
    if (thread_capture_mode() == cudaStreamCaptureModeRelaxed) continue;
    report(std::string(call) + " is not allowed while a stream is captured");
    stream->capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

}  // namespace gnn::emulation
