#pragma once

#include <memory>

#include "gnn/core/device.h"
#include "gnn/core/export.h"

namespace gnn {

/// An in-order queue of work on a device; a cheap handle. On the CPU work runs at once and a stream is a name
/// without effect. Every thread has one current stream per device, at first the device's default stream.
class GNN_API Stream {
 public:
  /// The default stream of `device` (CUDA's legacy null stream).
  explicit Stream(Device device = Device::cpu()) : device_(device) {}
  /// A new stream that does not wait for the default stream; destroyed with its last handle.
  static Stream create(Device device);
  /// The stream that this thread's operations on `device` are issued to.
  static Stream current(Device device);

  Device device() const { return device_; }
  /// The cudaStream_t, or nullptr for a default stream.
  void* native() const { return native_.get(); }
  /// Blocks the host until all work issued to this stream is done.
  void synchronize() const;
  bool operator==(const Stream&) const = default;

 private:
  Device device_;
  std::shared_ptr<void> native_;
};

/// Makes `stream` the current stream of its device for this thread, until the end of the scope.
class GNN_API StreamGuard {
 public:
  explicit StreamGuard(const Stream& stream);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

 private:
  Stream previous_;
};

/// A point in a stream that others can wait for, or that a time can be taken from.
class GNN_API Event {
 public:
  explicit Event(Device device = Device::cpu());

  /// Marks the work issued to `stream` so far. Throws DeviceError for a stream of another device.
  void record(const Stream& stream);
  /// Work issued to `stream` from now on waits for the recorded point; the host does not.
  void wait(const Stream& stream) const;
  /// Blocks the host until the recorded point is reached.
  void synchronize() const;
  /// True when the recorded point is reached or nothing was recorded.
  bool done() const;
  /// Milliseconds between two recorded points that have been reached.
  double milliseconds_since(const Event& start) const;

 private:
  Device device_;
  std::shared_ptr<void> native_;  // cudaEvent_t; on the CPU a time point
};

/// Blocks the host until all work on `device` is done.
GNN_API void synchronize(Device device);

}  // namespace gnn
