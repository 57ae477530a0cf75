#pragma once

#include "gnn/kernels/run.h"

namespace gnn::kernels {

/// y[i] = x[i] as y's dtype; any two dtypes, the same shape and device. Between floating dtypes values are
/// rounded to nearest even (float64 goes to a half type by way of float32), subnormals and infinities are
/// kept and NaN stays NaN. A floating value becomes an integer by truncation towards zero, saturated to the
/// type's range, NaN becomes 0. Integers become narrower ones modulo 2^bits, and floating values by rounding
/// (half types by way of float32).
struct GNN_API Cast {
  static constexpr const char* name = "cast";
  static void cpu(const Tensor& x, Tensor& y);
  static void cuda(const Tensor& x, Tensor& y);
};

namespace detail {
/// Throws ShapeError unless both have the same shape.
void check_cast(const Tensor& x, const Tensor& y);
}  // namespace detail

}  // namespace gnn::kernels
