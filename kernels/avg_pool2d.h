#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {

/// How an average pooling counts. window.dilation is 1.
struct AveragePool {
  PoolWindow window;
  bool count_include_pad = true;      ///< padding counts as pixels of value 0, else it does not count
  std::int64_t divisor_override = 0;  ///< divide by this instead of counting; 0: count
};

/// Average pooling: y[..., oh, ow] = the sum of x over the window of (oh, ow), see PoolWindow, divided by the
/// number of its pixels; x [..., H, W], y [..., OH, OW], float32 or float64. A window that hangs over the
/// padded input's edge (ceil_mode) counts what lies inside only. Sums are made row by row of the window. A
/// NaN gives NaN. Deterministic.
struct GNN_API AvgPool2dForward {
  static constexpr const char* name = "avg_pool2d_forward";
  static void cpu(const Tensor& x, const AveragePool& pool, Tensor& y);
  static void cuda(const Tensor& x, const AveragePool& pool, Tensor& y);
};

/// dx[..., h, w] = the sum over the windows that cover (h, w) of dy divided by the window's count. Every
/// pixel gathers, in row-major order of the windows (on the CPU a plane is scattered by one thread in that
/// order): no atomics, deterministic, the same sum on both devices.
struct GNN_API AvgPool2dBackward {
  static constexpr const char* name = "avg_pool2d_backward";
  static void cpu(const Tensor& dy, const AveragePool& pool, Tensor& dx);
  static void cuda(const Tensor& dy, const AveragePool& pool, Tensor& dx);
};

}  // namespace gnn::kernels
