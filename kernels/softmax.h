#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/reduce.h"
#include "gnn/kernels/run.h"

// Softmax over the middle of [outer, reduced, inner]; float32 and float64. The largest value is subtracted
// first, so nothing overflows; the CPU adds in float64, CUDA in the tensor's type as a tree, in a fixed
// order. A group that has NaN or +infinity, or only -infinity, becomes NaN as a whole.

namespace gnn::kernels {

/// y = exp(x) / sum of exp(x), or with `log` y = x - log(sum of exp(x)).
struct GNN_API SoftmaxForward {
  static constexpr const char* name = "softmax_forward";
  static void cpu(const Tensor& x, const ReduceDims& dims, bool log, Tensor& y);
  static void cuda(const Tensor& x, const ReduceDims& dims, bool log, Tensor& y);
};

/// dx = y * (dy - sum of dy * y), or with `log` dx = dy - exp(y) * sum of dy.
struct GNN_API SoftmaxBackward {
  static constexpr const char* name = "softmax_backward";
  static void cpu(const Tensor& y, const Tensor& dy, const ReduceDims& dims, bool log, Tensor& dx);
  static void cuda(const Tensor& y, const Tensor& dy, const ReduceDims& dims, bool log, Tensor& dx);
};

}  // namespace gnn::kernels
