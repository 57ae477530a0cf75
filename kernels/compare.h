#pragma once

#include <cstdint>

#include "gnn/kernels/run.h"

// Comparisons, element by element.

namespace gnn::kernels {

enum class CompareOp : std::uint8_t { eq, ne, lt, le, gt, ge };

/// y = 1 where a OP b holds, else 0. y is uint8 and has the shape that a and b broadcast to (NumPy's rules);
/// a and b have one dtype: float32, float64, int32, int64 or uint8. IEEE's rules: a NaN is unequal to
/// everything, itself included, and neither less nor greater than anything; -0 equals 0.
struct GNN_API Compare {
  static constexpr const char* name = "compare";
  static void cpu(CompareOp op, const Tensor& a, const Tensor& b, Tensor& y);
  static void cuda(CompareOp op, const Tensor& a, const Tensor& b, Tensor& y);
};

namespace detail {
/// Throws ShapeError or DTypeError unless a and b are of one dtype and broadcast to y's shape, and y is
/// uint8.
void check_compare(const Tensor& a, const Tensor& b, const Tensor& y);
}  // namespace detail

}  // namespace gnn::kernels
