#pragma once

// Error handling of CUDA calls; for core/cuda_backend.cpp and .cu files only. Not installed.

#include <cuda_runtime_api.h>

namespace gnn {

/// Throws CudaError (OutOfMemoryError for an allocation) naming `call`, the running kernel and CUDA's own
/// words.
[[noreturn]] void throw_cuda_error(cudaError_t status, const char* call);

inline void check_cuda(cudaError_t status, const char* call) {
  if (status != cudaSuccess) [[unlikely]]
    throw_cuda_error(status, call);
}

/// True when this build has device code that GPU `index` can run. Defined in core/cuda_probe.cu.
bool has_device_code(int index);

/// Makes device `index` current for this thread until the end of the scope.
class CudaDeviceGuard {
 public:
  explicit CudaDeviceGuard(int index);
  ~CudaDeviceGuard();
  CudaDeviceGuard(const CudaDeviceGuard&) = delete;
  CudaDeviceGuard& operator=(const CudaDeviceGuard&) = delete;

 private:
  int previous_ = -1;  // -1: it was current already
};

}  // namespace gnn
