#pragma once

#include <cstddef>

#include "gnn/core/device.h"

namespace gnn {

/// What a kind of device can do with raw memory. Not installed. Everything above talks to devices through
/// this and the kernels; only core/cuda_backend.cpp and the .cu files call CUDA.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Memory from the driver, aligned to at least 256 bytes; nullptr when there is none.
  virtual void* allocate(int index, std::size_t bytes) = 0;
  virtual void deallocate(int index, void* data) = 0;

  /// In-order copies and fills on the stream `native`; only synchronous for the host where said so.
  virtual void copy(int index, void* target, const void* source, std::size_t bytes, void* native) = 0;
  virtual void copy_from_host(int index, void* target, const void* source, std::size_t bytes,
                              void* native) = 0;
  /// Returns when the bytes have arrived.
  virtual void copy_to_host(int index, void* target, const void* source, std::size_t bytes, void* native) = 0;
  virtual void copy_peer(int target_index, void* target, int index, const void* source, std::size_t bytes,
                         void* native) = 0;
  virtual void fill_bytes(int index, void* target, int value, std::size_t bytes, void* native) = 0;

  virtual void* create_stream(int index) = 0;
  virtual void destroy_stream(int index, void* native) = 0;
  virtual void synchronize_stream(int index, void* native) = 0;
  virtual void synchronize(int index) = 0;

  virtual void* create_event(int index) = 0;
  virtual void destroy_event(int index, void* event) = 0;
  virtual void record_event(int index, void* event, void* native) = 0;
  virtual void wait_event(int index, void* event, void* native) = 0;
  virtual void synchronize_event(int index, void* event) = 0;
  virtual bool event_done(int index, void* event) = 0;
  virtual double milliseconds_between(int index, void* start, void* end) = 0;

  /// What this thread issues to the stream `native` is recorded from now on, not run.
  virtual void begin_capture(int index, void* native) = 0;
  /// Ends that; returns what was recorded, ready for launches.
  virtual void* end_capture(int index, void* native) = 0;
  /// Ends that after an error and throws what was recorded away. Does not throw.
  virtual void abandon_capture(int index, void* native) = 0;
  virtual void launch_graph(int index, void* graph, void* native) = 0;
  virtual void destroy_graph(int index, void* graph) = 0;

  /// Host memory that the device can copy from without a staging buffer; nullptr when there is none.
  virtual void* allocate_pinned(std::size_t bytes) = 0;
  virtual void deallocate_pinned(void* data) = 0;
};

/// The back end of `device`. Throws DeviceError, with the reason, for a device that cannot be used.
Backend& backend(Device device);

/// The CPU's, and CUDA's where it was built.
Backend& cpu_backend();
Backend& cuda_backend();

}  // namespace gnn
