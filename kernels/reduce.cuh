#pragma once

// Warp and block reductions, and the kernel that reduces [outer, reduced, inner] with any operation.
// Everything is in a fixed order: results repeat bitwise.

#include <algorithm>

#include "gnn/kernels/device.cuh"
#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/reduce.h"

namespace gnn::kernels {

inline constexpr unsigned full_warp = 0xffffffffu;

struct Plus {
  template <class V>
  __device__ V operator()(V a, V b) const {
    return a + b;
  }
};

struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
  __device__ double operator()(double a, double b) const { return fmax(a, b); }
};

/// The value of lane (own lane ^ `mask`). Overloaded for every type that is reduced.
template <class V>
__device__ __forceinline__ V shuffle_xor(V value, int mask) {
  return __shfl_xor_sync(full_warp, value, mask);
}

/// combine over the warp's 32 values, for every lane. All lanes must take part; `combine` must be
/// commutative.
template <class V, class Combine>
__device__ __forceinline__ V warp_reduce(V value, Combine combine) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) value = combine(value, shuffle_xor(value, mask));
  return value;
}

/// combine over the values of a block of `Threads` (a multiple of 32) threads, for every thread.
template <int Threads, class V, class Combine>
__device__ __forceinline__ V block_reduce(V value, Combine combine) {
  static_assert(Threads % 32 == 0 && Threads <= 1024);
  if constexpr (Threads == 32) {
    return warp_reduce(value, combine);
  } else {
    GNN_SHARED(V, warps, [Threads / 32]);
    value = warp_reduce(value, combine);
    __syncthreads();  // `warps` may still be read by a reduction before this one
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = warps[0];
#pragma unroll
    for (int warp = 1; warp < Threads / 32; ++warp) value = combine(value, warps[warp]);
    return value;
  }
}

/// How reduce_kernel cuts its work: a block is `groups` x `rows` x `columns` threads over outer x reduced x
/// inner, and the reduced dimension is in `chunks` pieces of `chunk`, for different blocks. Sizes of the
/// block are powers of 2.
struct ReduceTiling {
  int columns = 1;
  int rows = 1;
  int groups = 1;
  std::int64_t chunks = 1;
  std::int64_t chunk = 0;
};

inline constexpr int reduce_block = 256;

inline ReduceTiling tile_reduction(const ReduceDims& dims) {
  const auto cover = [](std::int64_t size, int limit) {  // the least power of 2 that is >= size, up to limit
    int power = 1;
    while (power < size && power < limit) power *= 2;
    return power;
  };
  ReduceTiling tiling;
  tiling.columns = cover(dims.inner, 32);
  // Where there are many outputs, 16 values a thread before threads are combined, but warps that read whole
  // lines.
  const std::int64_t readers =
      dims.outer * dims.inner < 1024
          ? dims.reduced
          : std::max(dims.reduced / 16, std::min<std::int64_t>(dims.reduced, 32 / tiling.columns));
  tiling.rows = cover(readers, reduce_block / tiling.columns);
  tiling.columns = cover(dims.inner, reduce_block / tiling.rows);
  tiling.groups = cover(dims.outer, reduce_block / (tiling.rows * tiling.columns));
  // Several blocks for one output where there are too few of them to fill a GPU (16 values a thread at
  // least), and where a thread would add more than 512 values, 128 to each of its accumulators: float32 sums
  // stay accurate.
  const std::int64_t blocks = ((dims.outer + tiling.groups - 1) / tiling.groups) *
                              ((dims.inner + tiling.columns - 1) / tiling.columns);
  const std::int64_t wanted = std::max<std::int64_t>(1024 / std::max<std::int64_t>(blocks, 1), 1);
  const std::int64_t needed = (dims.reduced + tiling.rows * 512 - 1) / (tiling.rows * 512);
  tiling.chunks = std::max({std::min(dims.reduced / (tiling.rows * 16), wanted), needed, std::int64_t{1}});
  tiling.chunk = (dims.reduced + tiling.chunks - 1) / tiling.chunks;
  return tiling;
}

/// Reduces with Op:  Acc, trivially constructible;  Acc identity();  Acc load(offset, r), the element at that
/// offset, whose reduced index is r;  static Acc combine(a, b), commutative;  void store(output, Acc).
/// Partial results go to `partial`, [outer, chunks, inner], where it is not null.
template <class Op>
__global__ void __launch_bounds__(reduce_block)
    reduce_kernel(Op op, ReduceDims dims, ReduceTiling tiling, typename Op::Acc* partial) {
  using Acc = typename Op::Acc;
  GNN_SHARED(Acc, shared, [reduce_block]);
  const int column = static_cast<int>(threadIdx.x) % tiling.columns;
  const int row = static_cast<int>(threadIdx.x) / tiling.columns % tiling.rows;
  const int group = static_cast<int>(threadIdx.x) / (tiling.columns * tiling.rows);
  const std::int64_t column_blocks = (dims.inner + tiling.columns - 1) / tiling.columns;
  const std::int64_t tasks = (dims.outer + tiling.groups - 1) / tiling.groups * tiling.chunks * column_blocks;
  for (std::int64_t task = blockIdx.x; task < tasks; task += gridDim.x) {
    const std::int64_t i = task % column_blocks * tiling.columns + column;
    const std::int64_t c = task / column_blocks % tiling.chunks;
    const std::int64_t o = task / column_blocks / tiling.chunks * tiling.groups + group;
    const bool mine = i < dims.inner && o < dims.outer;
    // Four accumulators: loads in flight at once, and a quarter of the additions in a row.
    Acc acc[4] = {op.identity(), op.identity(), op.identity(), op.identity()};
    if (mine) {
      const std::int64_t begin = c * tiling.chunk;
      const std::int64_t end = begin + tiling.chunk < dims.reduced ? begin + tiling.chunk : dims.reduced;
      const std::int64_t base = o * dims.reduced * dims.inner + i;
      const std::int64_t stride = tiling.rows * dims.inner;
      std::int64_t r = begin + row;
      std::int64_t offset = base + r * dims.inner;
      for (; r + 3 * tiling.rows < end; r += 4 * tiling.rows, offset += 4 * stride) {
#pragma unroll
        for (int u = 0; u < 4; ++u) {
          acc[u] = Op::combine(acc[u], op.load(offset + u * stride, r + u * tiling.rows));
        }
      }
      for (; r < end; r += tiling.rows, offset += stride) acc[0] = Op::combine(acc[0], op.load(offset, r));
    }
    Acc value = Op::combine(Op::combine(acc[0], acc[1]), Op::combine(acc[2], acc[3]));
    shared[threadIdx.x] = value;
    for (int half = tiling.rows / 2; half > 0; half /= 2) {
      __syncthreads();
      if (row < half) {
        value = Op::combine(value, shared[static_cast<int>(threadIdx.x) + half * tiling.columns]);
        shared[threadIdx.x] = value;
      }
    }
    __syncthreads();  // before the next task overwrites `shared`
    if (mine && row == 0) {
      if (partial != nullptr) {
        partial[(o * tiling.chunks + c) * dims.inner + i] = value;
      } else {
        op.store(o * dims.inner + i, value);
      }
    }
  }
}

/// The second phase: reduces what the blocks of the first one left.
template <class Op>
struct CombinePartials {
  using Acc = typename Op::Acc;
  Op op;
  const Acc* partial;
  __device__ Acc identity() const { return op.identity(); }
  __device__ Acc load(std::int64_t offset, std::int64_t) const { return partial[offset]; }
  __device__ static Acc combine(Acc a, Acc b) { return Op::combine(a, b); }
  __device__ void store(std::int64_t output, Acc acc) const { op.store(output, acc); }
};

template <class Op>
void launch_reduce(const Op& op, const ReduceDims& dims, const ReduceTiling& tiling, Device device,
                   typename Op::Acc* partial) {
  const std::int64_t blocks = (dims.outer + tiling.groups - 1) / tiling.groups * tiling.chunks *
                              ((dims.inner + tiling.columns - 1) / tiling.columns);
  const int threads = tiling.columns * tiling.rows * tiling.groups;
  launch(reduce_kernel<Op>,
         dim3(static_cast<unsigned>(std::min<std::int64_t>(blocks, std::int64_t{1} << 20))),
         dim3(static_cast<unsigned>(threads)), 0, device, op, dims, tiling, partial);
}

/// Reduces [outer, reduced, inner] with `op` (see reduce_kernel); in one launch, or two for few, large
/// reductions.
template <class Op>
void reduce_cuda(const Op& op, const ReduceDims& dims, Device device) {
  using Acc = typename Op::Acc;
  if (dims.outer == 0 || dims.inner == 0) return;
  const ReduceTiling tiling = tile_reduction(dims);
  if (tiling.chunks == 1) {
    launch_reduce(op, dims, tiling, device, nullptr);
    return;
  }
  const std::int64_t count = dims.outer * tiling.chunks * dims.inner;
  Tensor workspace =
      empty({count * static_cast<std::int64_t>(sizeof(Acc))}, {.dtype = DType::uint8, .device = device});
  auto* const partial = static_cast<Acc*>(workspace.mutable_raw_data());
  launch_reduce(op, dims, tiling, device, partial);
  const ReduceDims rest{dims.outer, tiling.chunks, dims.inner};
  ReduceTiling last = tile_reduction(rest);
  last.chunks = 1;
  last.chunk = rest.reduced;
  launch_reduce(CombinePartials<Op>{op, partial}, rest, last, device, nullptr);
}

/// Adds `load(offset)` of type T and gives scale * sum to y.
template <class T, class Load>
struct SumOp {
  using Acc = T;
  Load source;
  double scale;
  T* y;
  __device__ Acc identity() const { return T(0); }
  __device__ Acc load(std::int64_t offset, std::int64_t) const { return source(offset); }
  __device__ static Acc combine(Acc a, Acc b) { return a + b; }
  __device__ void store(std::int64_t output, Acc sum) const { y[output] = static_cast<T>(scale * sum); }
};

/// The elements of an array, for SumOp.
template <class T>
struct LoadElement {
  const T* x;
  __device__ T operator()(std::int64_t offset) const { return x[offset]; }
};

}  // namespace gnn::kernels
