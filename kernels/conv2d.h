#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/dims.h"

namespace gnn::kernels {

struct Conv2dParameters {
  Size2 stride = 1;
  Size2 padding = 0;  ///< rows and columns of zeros added on each side
  Size2 dilation = 1;
  std::int64_t groups = 1;
};

// Two-dimensional convolution (cross-correlation, as PyTorch has it). With x [N, C, H, W], weight [O, C / G,
// kh, kw] and y [N, O, OH, OW], G groups, x zero outside the image, and o in group g:
//
//   y[n, o, i, j] = bias[o] + Σ_{c, r, s} weight[o, c, r, s] x[n, g C/G + c, i stride.h - padding.h + r
//   dilation.h,
//                                                              j stride.w - padding.w + s dilation.w]
//
// OH and OW are window_positions() of the padded image. float32 and float64, accumulated in that type in
// blocks; the order of summation depends on the shapes alone, never on the number of threads. Each kernel
// throws ShapeError or DTypeError for tensors that do not fit. Empty batches are fine.
//
// The CPU reads patches of the images in place or packs a few columns of them at a time into the first-level
// cache; no im2col matrix is stored. 3 x 3 and 5 x 5 kernels with stride and dilation 1, and enough channels
// and pixels (winograd_suits() and conv2d_transforms.h), it leaves to Winograd's transforms, F(2 x 2, 3 x 3)
// and F(4 x 2, 5 x 5), for dweight F(2 x 2, 5 x 5). Their rounding errors are about 1 and 6 times those of
// the sums, 1 and 4 times for dweight, relative to the largest pixel that such a window of the result is
// computed from. Where a transform meets infinity or NaN, or overflows, the sums are taken instead. dx is a
// convolution of dy where that suits transforms or dy has few channels; else products are scattered into it.
// Which way is taken does not depend on the batch.
//
// CUDA multiplies im2col matrices by cuBLAS, some images at a time (im2col.h), or leaves it to cuDNN:
// set_conv2d_algorithm() (conv2d_algorithm.h).

/// y; bias [O] may be undefined.
struct GNN_API Conv2dForward {
  static constexpr const char* name = "conv2d_forward";
  static void cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                  const Conv2dParameters& parameters);
  static void cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                   const Conv2dParameters& parameters);
};

/// dx = Σ over all y that x went into of weight dy.
struct GNN_API Conv2dInputGradient {
  static constexpr const char* name = "conv2d_input_gradient";
  static void cpu(const Tensor& dy, const Tensor& weight, Tensor& dx, const Conv2dParameters& parameters);
  static void cuda(const Tensor& dy, const Tensor& weight, Tensor& dx, const Conv2dParameters& parameters);
};

/// dweight[o, c, r, s] = Σ_{n, i, j} dy[n, o, i, j] x[n, …] at the place that the formula above gives.
struct GNN_API Conv2dWeightGradient {
  static constexpr const char* name = "conv2d_weight_gradient";
  static void cpu(const Tensor& x, const Tensor& dy, Tensor& dweight, const Conv2dParameters& parameters);
  static void cuda(const Tensor& x, const Tensor& dy, Tensor& dweight, const Conv2dParameters& parameters);
};

/// The numbers that the formula speaks of, checked against each other.
struct Conv2dSizes {
  std::int64_t n, c, h, w;      ///< of x
  std::int64_t o, oh, ow;       ///< of y
  std::int64_t groups, cg, og;  ///< groups, channels per group of x and of y
  Size2 kernel, stride, padding, dilation;
  std::int64_t patch;      ///< elements of x that one of y is computed from: cg · kh · kw
  std::int64_t positions;  ///< oh · ow
};
/// Those that follow from x and weight.
Conv2dSizes conv2d_sizes(const char* op, const Tensor& x, const Tensor& weight,
                         const Conv2dParameters& parameters);
/// The same, with y checked against them.
Conv2dSizes conv2d_sizes(const char* op, const Tensor& x, const Tensor& weight, const Tensor& y,
                         const Conv2dParameters& parameters);

}  // namespace gnn::kernels
