#pragma once

#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// y = x · weight' + bias: x [N, in], weight [out, in], bias [out] or undefined, y [N, out], float32 or
/// float64. The bias is added where the product is written. Accumulation and determinism as for Gemm; the
/// gradients are Gemms and a SumTo. Throws ShapeError or DTypeError for tensors that do not fit.
struct GNN_API LinearForward {
  static constexpr const char* name = "linear_forward";
  static void cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y);
  static void cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y);
};

namespace detail {
/// Throws unless bias is undefined or of y's last size and dtype.
void check_linear_bias(const Tensor& bias, const Tensor& y);
}  // namespace detail

}  // namespace gnn::kernels
