#pragma once

// All of CUDA's language that a .cu file needs. Kernels are compiled by nvcc and, unchanged, by g++ against
// an emulated runtime, so they use CUDA only through this header and its siblings launch.cuh, vector.cuh and
// reduce.cuh: no <<<>>>, no CUB, no cooperative groups, no inline PTX, fminf/fmaxf instead of
// std::min/std::max.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "gnn/core/half.h"

#if defined(__CUDACC__)

/// Declares a static shared array: GNN_SHARED(float, tile, [32][33]);
#define GNN_SHARED(type, name, extents) __shared__ type name extents

namespace gnn::kernels {

/// The block's dynamic shared memory (the size is an argument of launch).
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char gnn_dynamic_shared[];
  return reinterpret_cast<T*>(gnn_dynamic_shared);
}

/// What the emulated runtime must know of a kernel before its launch; nothing here.
template <class Kernel>
void prepare_launch(Kernel*) {}

}  // namespace gnn::kernels

#else

#include "emulation/device.h"  // GNN_SHARED, threadIdx, __syncthreads …

namespace gnn::kernels {

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::dynamic_shared_memory());
}

using emulation::prepare_launch;

}  // namespace gnn::kernels

#endif

namespace gnn::kernels {

/// This thread's position among all threads of a one-dimensional grid.
__device__ __forceinline__ std::int64_t global_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

/// Number of threads in a one-dimensional grid: the step of a grid-stride loop.
__device__ __forceinline__ std::int64_t grid_threads() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace gnn::kernels
