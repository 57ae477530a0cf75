#pragma once

#include "gnn/core/tensor.h"

// y = act(x · weight' + bias): x [N, in], weight [out, in], bias [out] or undefined, y [N, out], act ReLU or
// nothing; float32 or float64. Accumulation and determinism as for Gemm. On the CPU y and the gradients are
// bitwise those of a Gemm, ReLU and SumTo one after the other. Each kernel throws ShapeError or DTypeError
// for tensors that do not fit.

namespace gnn::kernels {

/// y. The bias, on the CPU the ReLU as well, is applied where the product is written. NaN stays NaN.
struct GNN_API LinearForward {
  static constexpr const char* name = "linear_forward";
  static void cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y, bool relu);
  static void cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y, bool relu);
};

/// With dz = dy, or where y is given (there was a ReLU) dy where not y <= 0 and 0 elsewhere:
///
///   dx = dz · weight,  dweight = dz' · x,  dbias[o] = sum over n of dz[n, o]
///
/// Those that are undefined are left out; x may be undefined without dweight, weight without dx. Sums for
/// dbias are taken in float64.
struct GNN_API LinearBackward {
  static constexpr const char* name = "linear_backward";
  static void cpu(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& y, Tensor& dx,
                  Tensor& dweight, Tensor& dbias);
  static void cuda(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& y, Tensor& dx,
                   Tensor& dweight, Tensor& dbias);
};

namespace detail {
/// Throws unless bias is undefined or of y's last size and dtype; `what` names it in the message.
void check_linear_vector(const char* kernel, const char* what, const Tensor& bias, const Tensor& y);
/// Throws unless y is undefined or of dy's shape and dtype, and dbias undefined or fit for dy.
void check_linear_backward(const Tensor& dy, const Tensor& y, const Tensor& dbias);
}  // namespace detail

}  // namespace gnn::kernels
