#pragma once

#include "gnn/kernels/conv2d.h"
#include "gnn/kernels/conv2d_pool_tile.h"

// The tiles of conv2d_pool_tile.h by Winograd's F(2 x 2, r x r) for r = 3 and 5 (winograd_transforms.h): the
// four pixels of a window are the results of one transform, for (r + 1)² products per pair of channels in
// place of 4 r². Not installed.

namespace gnn::kernels {

/// Tiles that are multiplied at a time, at most: each weight that is fetched serves all of them.
inline constexpr int most_winograd_tiles = 2;

/// What the parts of a convolution's transforms take in memory, in elements.
struct WinogradLayout {
  int taps;                    ///< r
  std::int64_t in_channels;    ///< of a group
  std::int64_t out_channels;   ///< of a group
  std::int64_t weight_stride;  ///< from product to product of the transformed weight [out][in]
  std::int64_t weight_blocks;  ///< of filters
  std::int64_t input_stride;   ///< from product to product of the transformed input [in][tile][lane]
  std::int64_t scratch_size;   ///< for multiply_and_pool()

  std::int64_t products() const { return std::int64_t{taps + 1} * (taps + 1); }
  std::int64_t weight_size() const { return products() * weight_stride; }
};
template <class T>
WinogradLayout winograd_layout(const Conv2dSizes& sizes);

/// Blocks [begin, end) of the filters of a group: `weight` [out, in, r, r] to `out`, weight_size() elements.
template <class T>
void transform_weight(const WinogradLayout& layout, const T* weight, std::int64_t begin, std::int64_t end,
                      T* out);

/// multiply_and_pool() for `count` tiles that differ in panel, y and choice only; `weight` is transformed.
/// finite[tile][lane] becomes NaN where a sum is infinite or NaN, else 0: products of transforms spread those
/// to all four pixels, and the caller is to compute such lanes another way.
template <class T>
void multiply_and_pool(const WinogradLayout& layout, const T* weight, const PoolTile<T>* tiles, int count,
                       T* scratch, T (*finite)[max_pool_lanes]);

}  // namespace gnn::kernels
