#include <cuda_runtime.h>

#include "gnn/core/cuda_check.h"

namespace gnn {
namespace {

/// Does nothing: asking for its attributes tells whether the driver can load this library's device code.
__global__ void probe_kernel() {}

}  // namespace

bool has_device_code(int index) {
  const CudaDeviceGuard guard(index);
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(probe_kernel)) == cudaSuccess;
}

}  // namespace gnn
