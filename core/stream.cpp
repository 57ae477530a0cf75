#include "gnn/core/stream.h"

#include <utility>
#include <vector>

#include "gnn/core/backend.h"
#include "gnn/core/capture.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

// This thread's current streams; devices that are not listed are on their default stream.
thread_local std::vector<Stream> current_streams;

Stream& current_slot(Device device) {
  for (Stream& stream : current_streams) {
    if (stream.device() == device) return stream;
  }
  return current_streams.emplace_back(device);
}

}  // namespace

Stream Stream::create(Device device) {
  Backend& owner = backend(device);
  Stream stream(device);
  stream.native_ = std::shared_ptr<void>(owner.create_stream(device.index), [&owner, device](void* native) {
    owner.destroy_stream(device.index, native);
  });
  return stream;
}

Stream Stream::current(Device device) {
  // Not current_slot: asking must not allocate in a steady-state step.
  for (const Stream& stream : current_streams) {
    if (stream.device() == device) return stream;
  }
  return Stream(device);
}

void Stream::synchronize() const {
  forbid_in_capture("Stream::synchronize", waits_for_device);
  backend(device_).synchronize_stream(device_.index, native());
}

Stream exchange_current_stream(const Stream& stream) {
  return std::exchange(current_slot(stream.device()), stream);
}

StreamGuard::StreamGuard(const Stream& stream) : previous_(stream.device()) {
  forbid_in_capture("StreamGuard", "work on another stream would be left out");
  previous_ = exchange_current_stream(stream);
}

StreamGuard::~StreamGuard() {
  current_slot(previous_.device()) = previous_;
}

Event::Event(Device device) : device_(device) {
  Backend& owner = backend(device);
  native_ = std::shared_ptr<void>(owner.create_event(device.index), [&owner, device](void* event) {
    owner.destroy_event(device.index, event);
  });
}

void Event::record(const Stream& stream) {
  check<DeviceError>(stream.device() == device_, "Event::record: event of {} on a stream of {}", device_,
                     stream.device());
  backend(device_).record_event(device_.index, native_.get(), stream.native());
}

void Event::wait(const Stream& stream) const {
  backend(stream.device()).wait_event(stream.device().index, native_.get(), stream.native());
}

void Event::synchronize() const {
  forbid_in_capture("Event::synchronize", waits_for_device);
  backend(device_).synchronize_event(device_.index, native_.get());
}

bool Event::done() const {
  forbid_in_capture("Event::done", "nothing has run yet");
  return backend(device_).event_done(device_.index, native_.get());
}

double Event::milliseconds_since(const Event& start) const {
  check<DeviceError>(start.device_ == device_, "Event::milliseconds_since: events of {} and {}", device_,
                     start.device_);
  return backend(device_).milliseconds_between(device_.index, start.native_.get(), native_.get());
}

void synchronize(Device device) {
  forbid_in_capture("synchronize", waits_for_device);
  backend(device).synchronize(device.index);
}

}  // namespace gnn
