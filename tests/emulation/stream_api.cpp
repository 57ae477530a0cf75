// Streams and events.

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "emulation/control.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/streams.h"

namespace gnn::emulation {
namespace {

struct Event {
  int device;
  OperationPtr point;  // nullptr: never recorded
  // Recorded in a capture: what waits for it becomes part of the graph.
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> captured_after;
};

std::vector<std::unique_ptr<Event>>& events() {
  static auto& all = *new std::vector<std::unique_ptr<Event>>;
  return all;
}

Event* find_event(cudaEvent_t handle) {
  for (const auto& event : events()) {
    if (reinterpret_cast<cudaEvent_t>(event.get()) == handle) return event.get();
  }
  report("an event is used that does not exist, or was destroyed");
  return nullptr;
}

/// What a captured event cannot be asked.
cudaError_t refuse_captured(const Event& event, const char* call) {
  if (event.capture == nullptr || event.capture->graph == nullptr) return cudaSuccess;
  report(std::string(call) + " of an event that was recorded in a capture");
  event.capture->invalid = true;
  return cudaErrorCapturedEvent;
}

cudaError_t wait_event(Stream& stream, Event& event) {
  const bool captured = event.capture != nullptr && event.capture->graph != nullptr;
  if (!captured) {
    if (capturing(stream)) {
      report("a captured stream waits for an event that was not recorded in the capture");
      stream.capture->invalid = true;
      return cudaErrorStreamCaptureIsolation;
    }
    if (event.point != nullptr) wait_for(stream, event.point);
    return cudaSuccess;
  }
  if (capturing(stream) && stream.capture != event.capture) return cudaErrorStreamCaptureMerge;
  if (!capturing(stream)) {  // it joins the capture
    stream.capture = event.capture;
    stream.capture_after.clear();
    event.capture->streams.push_back(&stream);
  }
  for (const std::size_t node : event.captured_after) {
    if (std::find(stream.capture_after.begin(), stream.capture_after.end(), node) ==
        stream.capture_after.end())
      stream.capture_after.push_back(node);
  }
  return cudaSuccess;
}

}  // namespace
}  // namespace gnn::emulation

using namespace gnn::emulation;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return finish(sticky_error());
  *handle = reinterpret_cast<cudaStream_t>(add_stream(current_device(), flags));
  return finish(cudaSuccess);
}

cudaError_t cudaStreamCreate(cudaStream_t* handle) {
  return cudaStreamCreateWithFlags(handle, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned flags, int) {
  return cudaStreamCreateWithFlags(handle, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr || handle == nullptr) return finish(cudaErrorInvalidResourceHandle);
  complete(*stream);  // what was issued is still run
  remove_stream(stream);
  return finish(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (const cudaError_t status = forbid_during_capture("cudaStreamSynchronize"); status != cudaSuccess)
    return finish(status);
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::synchronization, injected)) return finish(injected);
  return finish(complete(*stream));
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (const cudaError_t status = forbid_during_capture("cudaStreamQuery"); status != cudaSuccess)
    return finish(status);
  const bool done = stream->pending.empty();
  if (!done) make_progress();
  return finish(done ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  *flags = stream->flags;
  return finish(cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  Event* const event = find_event(event_handle);
  if (stream == nullptr || event == nullptr) return finish(cudaErrorInvalidResourceHandle);
  return finish(wait_event(*stream, *event));
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  return finish(issue(*stream, {[function, data] {
                                  function(data);
                                  return cudaSuccess;
                                },
                                cudaGraphNodeTypeHost, reinterpret_cast<const void*>(function)}));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return finish(sticky_error());
  *handle = reinterpret_cast<cudaEvent_t>(
      events().emplace_back(std::make_unique<Event>(Event{current_device(), nullptr, nullptr, {}})).get());
  return finish(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t* handle) {
  return cudaEventCreateWithFlags(handle, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  const std::lock_guard lock(runtime_mutex());
  if (find_event(handle) == nullptr) return finish(cudaErrorInvalidResourceHandle);
  std::erase_if(events(),
                [&](const auto& one) { return reinterpret_cast<cudaEvent_t>(one.get()) == handle; });
  return finish(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  Event* const event = find_event(event_handle);
  if (stream == nullptr || event == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (event->device != stream->device) {
    report("an event of device " + std::to_string(event->device) + " is recorded in a stream of device " +
           std::to_string(stream->device));
    return finish(cudaErrorInvalidResourceHandle);
  }
  if (capturing(*stream)) {
    event->capture = stream->capture;
    event->captured_after = stream->capture_after;
    return finish(cudaSuccess);
  }
  event->capture = nullptr;
  event->point = mark(*stream);
  return finish(sticky_error());
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Event* const event = find_event(handle);
  if (event == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (const cudaError_t status = refuse_captured(*event, "cudaEventSynchronize"); status != cudaSuccess)
    return finish(status);
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::synchronization, injected)) return finish(injected);
  return finish(complete(event->point));
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Event* const event = find_event(handle);
  if (event == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (const cudaError_t status = refuse_captured(*event, "cudaEventQuery"); status != cudaSuccess)
    return finish(status);
  if (sticky_error() != cudaSuccess) return finish(sticky_error());
  if (event->point == nullptr) return finish(cudaSuccess);
  if (event->point->done) {
    acquire(&event->point->order);
    return finish(cudaSuccess);
  }
  make_progress();
  return finish(cudaErrorNotReady);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start_handle, cudaEvent_t end_handle) {
  const std::lock_guard lock(runtime_mutex());
  Event* const start = find_event(start_handle);
  Event* const end = find_event(end_handle);
  if (start == nullptr || end == nullptr || start->point == nullptr || end->point == nullptr)
    return finish(cudaErrorInvalidResourceHandle);
  if (!start->point->done || !end->point->done) return finish(cudaErrorNotReady);
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->point->finished - start->point->finished).count();
  return finish(cudaSuccess);
}
