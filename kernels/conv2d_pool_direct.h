#pragma once

// Conv2dPool on CUDA by direct kernels: sums straight from the images, without matrices in between, and of
// the four pixels that are pooled only the chosen one in the weight gradient. Not installed.
//
// When they are better than im2col and matrix products is decided by what a position costs in one group. The
// products read or write the `patch` elements of its column and its O results about twice each, for
// 2 · O · patch flops: O · patch / (O + patch) flops per element moved. Below what the GPU can do in that
// time (peak over bandwidth: 13 flops per byte on an A100, 20 on an H100, in float32 and float64 alike, so 50
// to 80 per element of float32) the passes over memory cost more than the products, and direct kernels, which
// reach about half of the products' flops, are ahead. Beyond it the products are. Direct kernels also need
// their tiles to fit into shared memory: very wide rows or windows do not.

#include "gnn/kernels/conv2d_pool.h"

namespace gnn::kernels {

/// Flops per element moved up to which direct kernels are used.
inline constexpr std::int64_t direct_intensity = 64;

/// True where direct kernels are better, as far as they fit (see above).
inline bool suits_direct_kernels(const Conv2dSizes& z) {
  return z.og * z.patch <= direct_intensity * (z.og + z.patch);
}

// Each of these does all its work, or returns false, having done nothing, where matrix products are better.
// No size of the output is 0. They throw what Conv2dPoolForward and Conv2dPoolBackward throw.

/// One launch. bias and choice may be undefined.
bool direct_forward(const Conv2dPoolSizes& z, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    bool relu, Tensor& y, Tensor& choice);

/// One launch.
bool direct_input_gradient(const Conv2dPoolSizes& z, const Tensor& weight, const Tensor& dy,
                           const Tensor& choice, Tensor& dx);

/// Two launches: sums of shares of the batch, then the sums of those. dweight or dbias may be undefined.
bool direct_weight_gradient(const Conv2dPoolSizes& z, const Tensor& x, const Tensor& dy, const Tensor& choice,
                            Tensor& dweight, Tensor& dbias);

}  // namespace gnn::kernels
