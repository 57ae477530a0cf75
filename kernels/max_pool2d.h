#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {

/// Max pooling: y[..., oh, ow] = the maximum of x over the window of (oh, ow), see PoolWindow; x [..., H, W],
/// y [..., OH, OW], float32 or float64.
///
/// * Padding counts as -infinity and is never the maximum of a window that has a pixel.
/// * The first NaN of a window, in row-major order, wins; of equal maxima the first does.
/// * argmax (int32, y's shape, or undefined when nobody will need it) gets the winner's index h * W + w
/// within its
///   plane, -1 for a window that lies in the padding altogether; there y is -infinity.
/// Deterministic. Throws ShapeError for a plane of 2^31 pixels or more.
struct GNN_API MaxPool2dForward {
  static constexpr const char* name = "max_pool2d_forward";
  static void cpu(const Tensor& x, const PoolWindow& window, Tensor& y, Tensor& argmax);
  static void cuda(const Tensor& x, const PoolWindow& window, Tensor& y, Tensor& argmax);
};

/// dx[..., h, w] = the sum of dy over the windows whose argmax is (h, w). Every pixel gathers from the
/// windows that cover it (on the CPU a plane is scattered by one thread), in row-major order: no atomics,
/// deterministic, the same sum on both devices.
struct GNN_API MaxPool2dBackward {
  static constexpr const char* name = "max_pool2d_backward";
  static void cpu(const Tensor& dy, const Tensor& argmax, const PoolWindow& window, Tensor& dx);
  static void cuda(const Tensor& dy, const Tensor& argmax, const PoolWindow& window, Tensor& dx);
};

}  // namespace gnn::kernels
