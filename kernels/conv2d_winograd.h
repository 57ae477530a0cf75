#pragma once

#include "gnn/kernels/conv2d.h"
#include "gnn/kernels/conv2d_window_tile.h"

// The tiles of conv2d_window_tile.h by Winograd's transforms (winograd_transforms.h): F(2 x 2, 3 x 3), 16
// products per pair of channels in place of 36 for the four pixels of a window; and F(4 x 2, 5 x 5), 48 in
// place of 200 for two windows above each other, a stack. For 3 x 3 such stacks gained little, lost for a few
// small images, and rounded worse. Not installed.

namespace gnn::kernels {

/// Windows of a stack, for kernels of taps x taps.
template <int taps>
inline constexpr int winograd_stack = taps == 3 ? 1 : 2;
inline constexpr int most_winograd_stack = 2;
/// Stacks of tiles that are multiplied at a time, at most: each weight that is fetched serves all of them.
inline constexpr int most_winograd_stacks = 2;
/// Products that are added up at a time. Partial sums of few terms keep the rounding errors small, which the
/// transform of the sums enlarges.
inline constexpr std::int64_t winograd_depth = 32;

inline std::int64_t divide_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// What the parts of a convolution's transforms take in memory, in elements.
struct WinogradLayout {
  int taps;                    ///< r
  int stack;                   ///< windows
  int height, width;           ///< products of a stack's column and row
  std::int64_t in_channels;    ///< of a group
  std::int64_t out_channels;   ///< of a group
  std::int64_t weight_stride;  ///< from product to product of the transformed weight [out][in]
  std::int64_t weight_blocks;  ///< of filters
  std::int64_t input_stride;   ///< from product to product of the transformed input [in][stack][lane]
  std::int64_t scratch_size;   ///< for multiply_windows()

  std::int64_t products() const { return std::int64_t{height} * width; }
  std::int64_t weight_size() const { return products() * weight_stride; }
};

/// True where transforms are the better way: 3 x 3 or 5 x 5 kernels that move by one pixel; and channels
/// enough to pay for the transforms of the input (8 output channels) and of the output (16 input channels for
/// 3 x 3, 6 for 5 x 5, which saves more). An image of at least `least_windows` windows pays for the transform
/// of the weight by itself: which way is taken must not depend on the batch, as its results must not. 3 x 3
/// rounds no worse than sums do, and 5 x 5 four to six times as much, relative to the largest of the pixels
/// that a stack is computed from (test_conv2d measures it).
bool winograd_suits(const Conv2dSizes& sizes, std::int64_t least_windows = 16);

template <class T>
WinogradLayout winograd_layout(const Conv2dSizes& sizes);

/// Blocks [begin, end) of the filters of a group: `weight` [out, in, r, r] to `out`, weight_size() elements.
template <class T>
void transform_weight(const WinogradLayout& layout, const T* weight, std::int64_t begin, std::int64_t end,
                      T* out);

/// multiply_windows() for `count` stacks of tiles, each from top to bottom, that differ in panel,
/// pixels, y and choice only; `weight` is transformed. Those not wanted() are left out.
/// finite[stack][lane] becomes NaN where a sum is infinite or NaN, else 0: products of transforms spread
/// those to all pixels, and the caller is to compute such lanes another way.
template <class T>
void multiply_windows(const WinogradLayout& layout, const T* weight, const WindowTile<T>* tiles, int count,
                      T* scratch, T (*finite)[max_window_lanes]);

}  // namespace gnn::kernels
