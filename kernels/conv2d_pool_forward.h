#pragma once

#include "gnn/kernels/conv2d_pool.h"

// The two ways of conv2d_pool's forward pass on the CPU: vectors of images, or of positions. Both add up in
// the same order. Not installed.

namespace gnn::kernels {

/// Arguments of the forward pass; `bias` and `choice` may be nullptr.
template <class T>
struct Conv2dPoolCall {
  const Conv2dPoolSizes& sizes;
  const T* x;
  const T* weight;
  const T* bias;
  bool relu;
  T* y;
  std::uint8_t* choice;
  TensorOptions options;  ///< x's
};

/// What the four windows of a pooled position cover together, in pixels.
inline Size2 pool_cover(const Conv2dSizes& z) {
  return {(z.kernel.h - 1) * z.dilation.h + z.stride.h + 1, (z.kernel.w - 1) * z.dilation.w + z.stride.w + 1};
}

/// True when an image in each lane is the faster way: the batch fills the vectors, as many images fit into
/// the second-level cache, and to turn a position's results (about four times the work per element) costs
/// less than to pack what it reads.
template <class T>
bool images_fill_lanes(const Conv2dPoolSizes& sizes);

/// y and choice, with an image in each lane.
template <class T>
void forward_by_images(const Conv2dPoolCall<T>& call);

/// The same with a pooled position, of any image, in each lane.
template <class T>
void forward_by_positions(const Conv2dPoolCall<T>& call);

}  // namespace gnn::kernels
