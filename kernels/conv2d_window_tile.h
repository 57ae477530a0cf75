#pragma once

#include <cstdint>

// The inner loops of conv2d_windows.h. Not installed.

namespace gnn::kernels {

/// `row_count` channels of the output for as many of its positions as a vector has lanes. The sums of the
/// four pixels of each window are kept in four vectors, so that pooling them needs no shuffle:
///
///   z[i][tap][lane] = bias[i] + Σ_p weight[i * weight_stride + p] · panel[offsets[p] + tap_offset[tap] +
///   lane]
///
/// summed as GemmBlock's are (gemm_tile.h), in blocks of gemm_depth terms; then act, maximum and choice, or
/// z itself.
template <class T>
struct WindowTile {
  const T* weight;
  std::int64_t weight_stride;
  std::int64_t row_count;
  std::int64_t depth;
  const T* panel;
  const std::int32_t* offsets;
  std::int64_t channel_stride;  ///< from channel to channel of the panel
  std::int64_t tap_offset[4];
  const T* bias;  ///< may be nullptr: 0
  bool relu;
  T* pixels;  ///< for z; nullptr: pool
  T* y;       ///< row i at y + i * y_stride, a whole vector
  std::int64_t y_stride;
  std::uint8_t* choice;  ///< as y, one byte per lane; may be nullptr
  std::int64_t choice_stride;

  bool wanted() const { return pixels != nullptr || y != nullptr; }
};

/// Lanes on this CPU; at most max_window_lanes.
template <class T>
std::int64_t window_lanes();
inline constexpr std::int64_t max_window_lanes = 16;

template <class T>
void multiply_windows(const WindowTile<T>& tile);

/// The channels [begin, end) of a tile.
template <class T>
WindowTile<T> channels_of(const WindowTile<T>& tile, std::int64_t begin, std::int64_t end) {
  WindowTile<T> t = tile;
  t.row_count = end - begin;
  t.weight += begin * t.weight_stride;
  if (t.bias != nullptr) t.bias += begin;
  if (t.pixels != nullptr) t.pixels += begin * 4 * window_lanes<T>();
  if (t.y != nullptr) t.y += begin * t.y_stride;
  if (t.choice != nullptr) t.choice += begin * t.choice_stride;
  return t;
}

/// Act, maximum and choice of sums z[row][tap][lane] that are there already.
template <class T>
void pool_pixels(const WindowTile<T>& tile, const T* z);

}  // namespace gnn::kernels
