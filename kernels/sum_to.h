#pragma once

#include "gnn/kernels/run.h"

namespace gnn::kernels {

/// The adjoint of broadcasting: y = scale * the sum of x over the axes along which y would have to be
/// repeated to get x's shape (y's shape broadcasts to x's). float32 and float64, added in float64 on both
/// devices and rounded once. The order of the additions depends on the shapes alone, so the result is bitwise
/// the same in every run and with any number of threads. A sum of nothing is 0.
struct GNN_API SumTo {
  static constexpr const char* name = "sum_to";
  static void cpu(const Tensor& x, double scale, Tensor& y);
  static void cuda(const Tensor& x, double scale, Tensor& y);
};

namespace detail {
/// Throws ShapeError or DTypeError unless y's shape broadcasts to x's and the dtypes are equal.
void check_sum_to(const Tensor& x, const Tensor& y);
}  // namespace detail

}  // namespace gnn::kernels
