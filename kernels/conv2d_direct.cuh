#pragma once

// What direct convolution kernels share: the plan of their tiles, and how they fill shared memory.

#include "gnn/kernels/broadcast.cuh"

namespace gnn::kernels {

/// Shared memory of a block: what a kernel may use on every GPU without asking for more, so that at least two
/// blocks are on a multiprocessor.
inline constexpr std::int64_t direct_shared_bytes = 48 << 10;

/// Blocks that fill a GPU (A100: 108 multiprocessors, H100: 132).
inline constexpr std::int64_t direct_blocks = 128;

/// Wavefronts that `lanes` neighbouring lanes need to access the elements address(lane) of `size` bytes in
/// shared memory, less the fewest possible: those in which two different elements are in one bank.
template <class Address>
std::int64_t bank_conflicts(std::int64_t lanes, std::int64_t size, const Address& address) {
  constexpr int max_banks = 32;
  const std::int64_t banks = 128 / size;  // of that width, and lanes that are served at a time
  std::int64_t conflicts = 0;
  for (std::int64_t first = 0; first < lanes; first += banks) {
    std::int64_t taken[max_banks];
    std::fill_n(taken, banks, std::int64_t{-1});
    for (std::int64_t lane = first; lane < std::min(first + banks, lanes); ++lane) {
      const std::int64_t at = address(lane);
      std::int64_t& bank = taken[at % banks];
      if (bank >= 0 && bank != at) ++conflicts;
      bank = at;
    }
  }
  return conflicts;
}

/// The first of `least` … `most` with the fewest conflicts(pitch), none if possible.
template <class Conflicts>
std::int64_t quiet_pitch(std::int64_t least, std::int64_t most, const Conflicts& conflicts) {
  std::int64_t best = least;
  std::int64_t fewest = conflicts(least);
  for (std::int64_t pitch = least + 1; pitch <= most && fewest > 0; ++pitch) {
    const std::int64_t count = conflicts(pitch);
    if (count < fewest) {
      fewest = count;
      best = pitch;
    }
  }
  return best;
}

__device__ __forceinline__ int smaller(int a, int b) {
  return a < b ? a : b;
}
__device__ __forceinline__ int larger(int a, int b) {
  return a > b ? a : b;
}

/// Calls f(row, column) for all of rows x columns, neighbouring threads with neighbouring columns, then rows.
template <class F>
__device__ __forceinline__ void for_each_pixel(int rows, int columns, const F& f) {
  const int threads = static_cast<int>(blockDim.x);
  const int thread = static_cast<int>(threadIdx.x);
  const int span = smaller(columns, threads);
  if (span == 0) return;
  const int pass = threads / span;
  if (thread >= pass * span) return;
  for (int column = thread % span; column < columns; column += span) {
    for (int row = thread / span; row < rows; row += pass) f(row, column);
  }
}

}  // namespace gnn::kernels
