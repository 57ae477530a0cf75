#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

namespace gnn::emulation {

// Device memory is one range of addresses for each device, closed to the host (PROT_NONE) but while the
// runtime or a kernel works on it. An address is not used again soon: memory that was freed stays filled with
// NaN.

enum class Place { host, pinned, device };

/// What is known about an address.
struct Location {
  Place place = Place::host;
  int device = -1;
  const char* data = nullptr;  ///< the allocation it lies in, or belongs to most likely
  std::size_t bytes = 0;       ///< its size
  bool live = false;           ///< false: in device memory, but in no live allocation
};
Location locate(const void* address);

/// "0x7f… , 8 bytes behind the end of an allocation of 400 bytes on device 0", for messages.
std::string describe(const void* address);

/// Why [data, data + bytes) cannot be used as memory of that kind; empty when it can. `device`: -1 for any.
std::string range_problem(const void* data, std::size_t bytes, bool on_device);

cudaError_t allocate_device(int device, std::size_t bytes, void** data);
/// The size is returned in `bytes` when not null. cudaErrorInvalidValue, with a report, for what is not live.
cudaError_t free_device(void* data);
cudaError_t allocate_pinned(std::size_t bytes, void** data);
cudaError_t free_pinned(void* data);
void free_everything();

std::size_t bytes_in_use(int device);
std::size_t count_live_allocations();

/// Device memory is open until the end of the scope.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace gnn::emulation
