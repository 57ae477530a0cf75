#include "gnn/core/capture.h"

#include <algorithm>

#include "gnn/core/allocator.h"
#include "gnn/core/backend.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

thread_local Capture* current_capture = nullptr;

/// A StreamGuard that is allowed in a capture.
class OnStream {
 public:
  explicit OnStream(const Stream& stream) : previous_(exchange_current_stream(stream)) {}
  ~OnStream() { exchange_current_stream(previous_); }
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  Stream previous_;
};

}  // namespace

void forbid_in_capture(const char* op, const char* why) {
  check<CaptureError>(current_capture == nullptr, "{} cannot be part of a captured step: {}", op, why);
}

CapturePool::CapturePool(Device device) : stream_(Stream::create(device)) {
  detail::hold_memory(stream_);
}

CapturePool::~CapturePool() {
  detail::release_memory(stream_);
}

Graph::Graph(Device device, void* native)
    : device_(device), native_(native, [device](void* graph) {
        // A graph that runs must not be destroyed; after a fault nothing runs.
        Backend& owner = backend(device);
        try {
          owner.synchronize(device.index);
        } catch (const Error&) {
        }
        owner.destroy_graph(device.index, graph);
      }) {}

void Graph::launch(const Stream& stream) const {
  backend(device_).launch_graph(device_.index, native_.get(), stream.native());
}

Capture::Capture(const CapturePool& pool)
    : stream_(pool.stream()), outer_(Stream::current(stream_.device())) {
  forbid_in_capture("another captured step", "a thread records one at a time");
  backend(device()).begin_capture(device().index, stream_.native());
  exchange_current_stream(stream_);
  recording_ = true;
  current_capture = this;
}

Capture::~Capture() {
  if (!recording_) return;
  backend(device()).abandon_capture(device().index, stream_.native());
  detail::forget_guard_bands(stream_);
  leave();
}

Graph Capture::finish() {
  void* const graph = backend(device()).end_capture(device().index, stream_.native());
  leave();
  return {device(), graph};
}

void Capture::leave() {
  // Still as part of the capture: memory that is freed was never written.
  for (auto input = inputs_.rbegin(); input != inputs_.rend(); ++input) (*input)->undo();
  exchange_current_stream(outer_);
  current_capture = nullptr;
  recording_ = false;
}

Capture* Capture::current() {
  return current_capture;
}

StepInput* Capture::find(const void* owner) const {
  const auto found =
      std::ranges::find_if(inputs_, [owner](const auto& input) { return input->owner_ == owner; });
  return found == inputs_.end() ? nullptr : found->get();
}

void Capture::add(const void* owner, std::shared_ptr<StepInput> input, std::int64_t words) {
  input->owner_ = owner;
  // Not in the recording's memory, which its replays use for other things before.
  const OnStream outside(outer_);
  input->values_ = empty({words}, {.dtype = DType::int64, .device = device()});
  inputs_.push_back(std::move(input));
}

}  // namespace gnn
