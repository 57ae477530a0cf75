#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include "gnn/core/cuda_check.h"
#include "gnn/core/stream.h"
#include "gnn/core/tensor.h"
#include "gnn/kernels/device.cuh"

namespace gnn::kernels {

/// Makes the tensor's device the current one until the end of the scope, and names its current stream.
class CudaLaunchScope {
 public:
  explicit CudaLaunchScope(Device device) : guard_(device.index), stream_(Stream::current(device)) {}
  cudaStream_t stream() const { return static_cast<cudaStream_t>(stream_.native()); }

 private:
  CudaDeviceGuard guard_;
  Stream stream_;
};

/// Launches `kernel` on the current stream of `device`; an empty grid or block is no work and no launch.
/// Errors of the launch are thrown as CudaError naming the kernel struct that is running.
template <class... Parameters, class... Args>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Device device,
            Args&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0) return;
  const CudaLaunchScope scope(device);
  prepare_launch(kernel);
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = scope.stream();
  check_cuda(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(std::forward<Args>(args))...),
             "cudaLaunchKernelEx");
}

/// Second argument of __launch_bounds__ for kernels of 256 threads in which ptxas would spill float64
/// registers to get another block onto a multiprocessor: with 4 blocks a thread has 64 registers. 0 leaves
/// the choice to ptxas.
template <class T>
inline constexpr int unspilled_blocks = std::is_same_v<T, double> ? 4 : 0;

/// Threads per block of element-wise kernels.
inline constexpr int elementwise_block = 256;

/// Blocks for a grid-stride loop over `items`: one thread per item up to what keeps every multiprocessor of
/// any shipped GPU busy (132 of them, 8 blocks of 256 threads each, times 4 so that uneven blocks even out).
inline unsigned elementwise_grid(std::int64_t items) {
  return static_cast<unsigned>(
      std::min<std::int64_t>((items + elementwise_block - 1) / elementwise_block, 4224));
}

}  // namespace gnn::kernels
