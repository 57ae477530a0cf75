#pragma once

#include <cmath>

#include "gnn/kernels/reduce.cuh"

namespace gnn::kernels {

/// sum of exp(x - largest) over some values x, in one pass over them: when a larger value comes, what was
/// summed is scaled. -infinity counts as nothing beside larger values; NaN and +infinity make the sum NaN.
template <class T>
struct ExpSum {
  T largest;
  T sum;

  __device__ static ExpSum none() { return {-static_cast<T>(INFINITY), T(0)}; }
  __device__ void add(T x) {
    if (x > largest) {
      sum = sum * std::exp(largest - x) + std::exp(x - x);  // exp(0), but NaN for infinity
      largest = x;
    } else {
      sum += x == -static_cast<T>(INFINITY) ? T(0) : std::exp(x - largest);
    }
  }
};

template <class T>
__device__ __forceinline__ ExpSum<T> shuffle_xor(ExpSum<T> value, int mask) {
  return {shuffle_xor(value.largest, mask), shuffle_xor(value.sum, mask)};
}

struct CombineExpSums {
  template <class T>
  __device__ ExpSum<T> operator()(ExpSum<T> a, ExpSum<T> b) const {
    const bool b_larger = b.largest > a.largest;
    const T largest = b_larger ? b.largest : a.largest;
    const T smallest = b_larger ? a.largest : b.largest;
    const T factor = smallest == largest ? T(1) : std::exp(smallest - largest);
    return {largest, b_larger ? a.sum * factor + b.sum : a.sum + b.sum * factor};
  }
};

/// Threads of the kernels that give each row a warp, or a block.
inline constexpr int row_block = 256;
/// Rows up to this length get a warp.
inline constexpr std::int64_t warp_row_limit = 1024;

inline unsigned row_grid(std::int64_t rows, int threads_per_row) {
  const std::int64_t rows_per_block = row_block / threads_per_row;
  return static_cast<unsigned>(
      std::min<std::int64_t>((rows + rows_per_block - 1) / rows_per_block, std::int64_t{1} << 20));
}

}  // namespace gnn::kernels
