#pragma once

#include <cstdint>

#include "gnn/kernels/run.h"

// Element-wise operations of two operands, in float32 and float64, deterministic. NaN in an operand gives
// NaN, for maximum and minimum too (as NumPy, unlike fmax); pow is C's, so that x^0 = 1^y = 1 even for NaN,
// and division is IEEE's: no error for 0.

namespace gnn::kernels {

enum class BinaryOp : std::uint8_t { add, sub, mul, div, pow, maximum, minimum };

/// y = a OP b. y has the shape that a and b broadcast to (NumPy's rules); all have one dtype. y may be an
/// operand of its own shape.
struct GNN_API Binary {
  static constexpr const char* name = "binary";
  static void cpu(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y);
  static void cuda(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y);
};

/// da = grad * dy/da and db = grad * dy/db at every element of y = a OP b, before any sum over broadcast axes
/// (SumTo does that): grad, da and db have y's shape. An undefined da or db is not computed; neither may
/// share memory with an input. Equal operands of maximum and minimum get half of the gradient each; a NaN
/// operand passes it on to both. For pow, dy/da is 0 where b = 0 and dy/db is 0 where a = 0 and b >= 0.
struct GNN_API BinaryBackward {
  static constexpr const char* name = "binary_backward";
  static void cpu(BinaryOp op, const Tensor& a, const Tensor& b, const Tensor& grad, Tensor& da, Tensor& db);
  static void cuda(BinaryOp op, const Tensor& a, const Tensor& b, const Tensor& grad, Tensor& da, Tensor& db);
};

/// y = x OP scalar, or scalar OP x when `scalar_first`. The scalar is rounded to x's dtype first. y may be x.
struct GNN_API BinaryScalar {
  static constexpr const char* name = "binary_scalar";
  static void cpu(BinaryOp op, const Tensor& x, double scalar, bool scalar_first, Tensor& y);
  static void cuda(BinaryOp op, const Tensor& x, double scalar, bool scalar_first, Tensor& y);
};

/// dx = grad * dy/dx of BinaryScalar; dx may be grad.
struct GNN_API BinaryScalarBackward {
  static constexpr const char* name = "binary_scalar_backward";
  static void cpu(BinaryOp op, const Tensor& x, double scalar, bool scalar_first, const Tensor& grad,
                  Tensor& dx);
  static void cuda(BinaryOp op, const Tensor& x, double scalar, bool scalar_first, const Tensor& grad,
                   Tensor& dx);
};

/// y += x; same shape and dtype.
struct GNN_API AddInPlace {
  static constexpr const char* name = "add_in_place";
  static void cpu(Tensor& y, const Tensor& x);
  static void cuda(Tensor& y, const Tensor& x);
};

namespace detail {
/// Throws ShapeError or DTypeError unless a and b broadcast to y's shape and all dtypes are equal.
void check_binary(const char* kernel, const Tensor& a, const Tensor& b, const Tensor& y);
/// Throws ShapeError or DTypeError unless `tensor`, when defined, has the shape and dtype of `like`.
void check_like(const char* kernel, const Tensor& tensor, const Tensor& like);
}  // namespace detail

}  // namespace gnn::kernels
