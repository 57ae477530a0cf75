#pragma once

// Conv2dPool on CUDA by direct kernels: sums straight from the images, without matrices in between, and of
// the four pixels that are pooled only the chosen one in the weight gradient. Not installed.
//
// When they are better than im2col and matrix products is decided by what a position of the convolution costs
// in one group. The products' kernels move the `patch` elements of its column and its O results twice each,
// for 2 · O · patch flops: O · patch / (O + patch) flops per element moved. What a GPU can compute in the
// time of moving one, its peak over its bandwidth, is 52 flops on an A100 (19.5 Tflop/s, 1.5 TB/s) and 80 on
// an H100 (67 and 3.35), in float64 as in float32. Below that the passes over memory cost more than the
// products, and direct kernels, which move none of it and of whose instructions a half to two thirds are
// multiply-adds, are ahead; beyond it the products are. The input's gradient is summed over the zeros between
// strided positions as well, so there it is that many times the flops. Direct kernels also need their tiles
// to fit into shared memory: very wide rows or windows do not.

#include "gnn/kernels/conv2d_pool.h"

namespace gnn::kernels {

/// Flops per element moved up to which direct kernels are used.
inline constexpr std::int64_t direct_intensity = 64;

/// True where direct kernels that compute `waste` times the products' flops are better, as far as they fit.
inline bool suits_direct_kernels(const Conv2dSizes& z, std::int64_t waste = 1) {
  return waste * z.og * z.patch <= direct_intensity * (z.og + z.patch);
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
