#pragma once

#include <limits>

#include "gnn/kernels/conv2d.h"

// Convolutions on the CPU by windows of 2 x 2 pixels of their result, which are pooled (conv2d_pool) or
// stored (conv2d where transforms are the better way). Not installed.

namespace gnn::kernels {

/// A convolution's windows and its tensors; `bias` and `choice` may be nullptr.
template <class T>
struct Conv2dWindows {
  Conv2dSizes conv;
  Size2 windows;  ///< of an image. Pooled: all whole ones; else all, of which the last may be cut
  bool pooled;    ///< y and choice as conv2d_pool.h has them; or y the convolution's result
  bool relu;      ///< before pooling
  const T* x;
  const T* weight;
  const T* bias;
  T* y;
  std::uint8_t* choice;
  TensorOptions options;  ///< x's

  /// What a stack of windows above each other is computed from, in pixels.
  Size2 cover(std::int64_t stack = 1) const {
    return {(conv.kernel.h - 1) * conv.dilation.h + (2 * stack - 1) * conv.stride.h + 1,
            (conv.kernel.w - 1) * conv.dilation.w + conv.stride.w + 1};
  }
  /// Stacks of an image; the windows of the last row of stacks may be fewer.
  Size2 stacks(std::int64_t stack) const { return {(windows.h + stack - 1) / stack, windows.w}; }
};

/// True where offsets in a channel of an image fit into 32 bits: with its padding, and with the zeros beyond
/// it where the last windows or stacks are cut.
inline bool windows_have_offsets(const Conv2dSizes& z) {
  return (z.h + 2 * z.padding.h + 4 * z.stride.h) * (z.w + 2 * z.padding.w + 4 * z.stride.w) <=
         std::numeric_limits<std::int32_t>::max();
}

/// True when an image in each lane is the faster way: the batch fills the vectors, as many images fit into
/// the second-level cache, and to turn a position's results (about four times the work per element) costs
/// less than to pack what it reads. For windows that are pooled.
template <class T>
bool images_fill_lanes(const Conv2dWindows<T>& call);

/// Computes y and choice with an image in each lane; of pooled windows only.
template <class T>
void windows_by_images(const Conv2dWindows<T>& call);

/// The same with a window, of any image, in each lane. Both ways add up in the same order.
template <class T>
void windows_by_positions(const Conv2dWindows<T>& call);

}  // namespace gnn::kernels
