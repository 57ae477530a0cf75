#pragma once

// What direct convolution kernels share: the plan of their tiles, and how they fill shared memory.

#include <array>
#include <span>

#include "gnn/kernels/broadcast.cuh"

namespace gnn::kernels {

/// Shared memory of a block: what a kernel may use on every GPU without asking for more, so that at least two
/// blocks are on a multiprocessor.
inline constexpr std::int64_t direct_shared_bytes = 48 << 10;

/// Blocks that fill a GPU (A100: 108 multiprocessors, H100: 132).
inline constexpr std::int64_t direct_blocks = 128;

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Where a lane's element is in shared memory, as far as a pitch is looked for: whole · pitch + rest.
struct PitchedPlace {
  std::int64_t whole, rest;
};

/// How often two of the lanes that are served at the same time access different elements of `size` bytes (4
/// or 8) in one bank of shared memory; counted until it is `enough`.
inline int bank_conflicts(std::span<const PitchedPlace> lanes, std::int64_t size, std::int64_t pitch,
                          int enough) {
  const auto banks =
      static_cast<std::size_t>(128 / size);  // of that width, and lanes that are served at a time
  std::array<std::int64_t, 32> taken{};
  int conflicts = 0;
  for (std::size_t first = 0; first < lanes.size() && conflicts < enough; first += banks) {
    taken.fill(-1);
    for (const PitchedPlace& lane : lanes.subspan(first, std::min(banks, lanes.size() - first))) {
      const std::int64_t at = lane.whole * pitch + lane.rest;
      std::int64_t& bank = taken[static_cast<std::size_t>(at) & (banks - 1)];
      conflicts += bank >= 0 && bank != at;
      bank = at;
    }
  }
  return conflicts;
}

/// The first pitch of `least` … `most` with the fewest conflicts, none if possible.
inline std::int64_t quiet_pitch(std::span<const PitchedPlace> lanes, std::int64_t size, std::int64_t least,
                                std::int64_t most) {
  std::int64_t best = least;
  int fewest = bank_conflicts(lanes, size, least, static_cast<int>(lanes.size()));
  for (std::int64_t pitch = least + 1; pitch <= most && fewest > 0; ++pitch) {
    const int count = bank_conflicts(lanes, size, pitch, fewest);
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
