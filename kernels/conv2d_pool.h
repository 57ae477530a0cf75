#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/conv2d.h"

namespace gnn::kernels {

struct Conv2dPoolParameters {
  Conv2dParameters conv;
  bool relu = false;  ///< between convolution and pooling
};

// Convolution, bias, ReLU if asked for, and max pooling over 2 x 2 windows with stride 2 in one pass. With
// the tensors and the formula of conv2d.h for its result z [N, O, OH, OW], and PH = OH / 2, PW = OW / 2 (a
// last odd row or column is dropped):
//
//   y[n, o, i, j]      = max over (a, b) in {0, 1}^2 of act(z[n, o, 2 i + a, 2 j + b])
//   choice[n, o, i, j] = 2 a + b of that maximum, the first where several are equal, the first NaN where
//   there
//                        is one; pool_no_choice where relu is set and the maximum is not above 0
//
// `choice` (uint8, y's shape) is all that the gradients need besides x and the weight: each y depends on one
// z, so three in four terms of the gradients' sums are zero. The CPU leaves them out, and so does CUDA for
// dweight and dbias where it uses direct kernels: one launch for y, one for dx, two for dweight and dbias,
// and neither z nor its gradient in memory. Elsewhere it multiplies matrices (conv2d_pool_direct.h says
// when).
//
// float32 and float64. On the CPU y is bitwise what Conv2dForward, ReLU and MaxPool2dForward give; windows
// are the results of the transforms that conv2d.h speaks of. The order of summation depends on the shapes
// alone, never on the batch or the number of threads. Each kernel throws ShapeError or DTypeError for tensors
// that do not fit. Empty batches are fine.

/// In `choice`: no input has a gradient.
inline constexpr std::uint8_t pool_no_choice = 255;

/// y and choice (not written where undefined); bias [O] may be undefined.
struct GNN_API Conv2dPoolForward {
  static constexpr const char* name = "conv2d_pool_forward";
  static void cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y, Tensor& choice,
                  const Conv2dPoolParameters& parameters);
  static void cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y, Tensor& choice,
                   const Conv2dPoolParameters& parameters);
};

/// dx, dweight and dbias [O] from dy and choice; those that are undefined are left out. x may be undefined
/// when only dx is wanted.
struct GNN_API Conv2dPoolBackward {
  static constexpr const char* name = "conv2d_pool_backward";
  static void cpu(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& choice, Tensor& dx,
                  Tensor& dweight, Tensor& dbias, const Conv2dPoolParameters& parameters);
  static void cuda(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& choice, Tensor& dx,
                   Tensor& dweight, Tensor& dbias, const Conv2dPoolParameters& parameters);
};

/// The numbers of the formulas.
struct Conv2dPoolSizes {
  Conv2dSizes conv;
  Size2 pooled;          ///< PH, PW
  std::int64_t outputs;  ///< PH · PW
};
/// Checked against each other; `bias` and `choice` may be undefined.
Conv2dPoolSizes conv2d_pool_sizes(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  const Tensor& y, const Tensor& choice,
                                  const Conv2dPoolParameters& parameters);

}  // namespace gnn::kernels
