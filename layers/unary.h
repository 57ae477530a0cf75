#pragma once

#include "gnn/core/tensor.h"

// Element-wise functions, in float32 and float64. Outside a function's domain the result is IEEE's: log(0) =
// -inf, log(-1) = sqrt(-1) = NaN, reciprocal(0) = inf; NaN gives NaN. All throw DTypeError for other dtypes.

namespace gnn {

/// |x|; the gradient at 0 is 0.
GNN_API Tensor abs(const Tensor& x);
/// The least whole number that is at least x; no gradient flows.
GNN_API Tensor ceil(const Tensor& x);
/// x limited to [low, high]; the gradient passes where low <= x <= high. Throws ValueError unless low <=
/// high.
GNN_API Tensor clamp(const Tensor& x, double low, double high);
GNN_API Tensor cos(const Tensor& x);
GNN_API Tensor exp(const Tensor& x);
/// exp(x) - 1, exact near 0.
GNN_API Tensor expm1(const Tensor& x);
/// The greatest whole number that is at most x; no gradient flows.
GNN_API Tensor floor(const Tensor& x);
/// The natural logarithm.
GNN_API Tensor log(const Tensor& x);
/// log(1 + x), exact near 0.
GNN_API Tensor log1p(const Tensor& x);
GNN_API Tensor neg(const Tensor& x);
/// 1 / x.
GNN_API Tensor reciprocal(const Tensor& x);
/// The nearest whole number, the even one in a tie; no gradient flows.
GNN_API Tensor round(const Tensor& x);
/// 1 / sqrt(x).
GNN_API Tensor rsqrt(const Tensor& x);
/// -1, 0 or 1; no gradient flows.
GNN_API Tensor sign(const Tensor& x);
GNN_API Tensor sin(const Tensor& x);
GNN_API Tensor sqrt(const Tensor& x);
/// x * x.
GNN_API Tensor square(const Tensor& x);

inline Tensor operator-(const Tensor& x) {
  return neg(x);
}

}  // namespace gnn
