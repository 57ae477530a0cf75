#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "emulation/sanitizer.h"
#include "emulation/scheduler.h"

namespace gnn::emulation {

/// One piece of work of a stream. It runs at once, or (lazily) when somebody waits for it.
struct Operation {
  std::function<cudaError_t()> work;  // empty: only a point in the stream
  std::vector<std::shared_ptr<Operation>> after;
  bool done = false;
  std::uint64_t order = 0;   // for TSan
  std::uint64_t issued = 0;  // for TSan: what the host did before
  std::chrono::steady_clock::time_point finished{};
};
using OperationPtr = std::shared_ptr<Operation>;

/// A graph being captured: nodes in the order of their capture, which is one that their dependencies allow.
struct Graph {
  struct Node {
    OperationPtr operation;
    cudaGraphNodeType type;
    const void* function;  // kernel or kind of the work; equal graphs have equal ones (cudaGraphExecUpdate)
    std::vector<std::size_t> after;
  };
  std::vector<Node> nodes;
  unsigned long long id = 0;
};

struct Capture {
  Graph* graph = nullptr;  // nullptr when it has ended
  cudaStreamCaptureMode mode{};
  bool invalid = false;
  std::thread::id thread;
  std::vector<struct Stream*> streams;  // the first began it
};

struct Stream {
  explicit Stream(int on_device, unsigned with_flags = 0)
      : device(on_device), flags(with_flags), pool(new_thread_pool()) {}

  int device;
  unsigned flags;
  std::deque<OperationPtr> pending;
  OperationPtr last;  // issued last
  std::shared_ptr<ThreadPool> pool;

  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> capture_after;  // nodes that the next captured one depends on
};

/// The stream of that handle, for nullptr the default stream of the current device; nullptr, with a report,
/// when there is none.
Stream* find_stream(cudaStream_t handle);
/// The same for launches, which must go to a stream of the current device.
Stream* find_launch_stream(cudaStream_t handle);
Stream* add_stream(int device, unsigned flags);
void remove_stream(Stream* stream);

/// What is issued: `function` tells captured nodes apart.
struct Work {
  std::function<cudaError_t()> run;
  cudaGraphNodeType type = cudaGraphNodeTypeEmpty;
  const void* function = nullptr;
};
/// Adds work to a stream, or to the graph that is captured from it.
cudaError_t issue(Stream& stream, Work work);
/// Lets what is issued to `stream` from now on wait for `operation`.
void wait_for(Stream& stream, const OperationPtr& operation);
/// A point behind all that was issued to `stream`.
OperationPtr mark(Stream& stream);

/// The host waits: runs what is necessary. Returns the context's error, if there is one.
cudaError_t complete(const OperationPtr& operation);
cudaError_t complete(Stream& stream);
cudaError_t complete_device(int device);
cudaError_t complete_all();
/// Runs one pending operation, if there is one, so that a host that polls gets on.
void make_progress();

int& current_device();

/// cudaErrorStreamCaptureUnsupported, and the capture is invalid, when a call that may not be made during a
/// capture is made during one.
cudaError_t forbid_during_capture(const char* call);
bool capturing(const Stream& stream);
/// This thread's: in relaxed mode it may make calls that captures of others forbid.
cudaStreamCaptureMode& thread_capture_mode();

}  // namespace gnn::emulation
