#pragma once

#include <cstdint>

#include "gnn/kernels/run.h"

// Element-wise functions of one tensor, in float32 and float64; NaN gives NaN.

namespace gnn::kernels {

enum class UnaryOp : std::uint8_t {
  abs,
  ceil,
  cos,
  exp,
  expm1,
  floor,
  log,
  log1p,
  neg,
  reciprocal,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
};

/// True when UnaryBackward takes the function's result; else it takes its argument.
GNN_API bool unary_saves_output(UnaryOp op);

/// y = OP(x); y may be x. round goes to the nearest even whole number in a tie, sign(0) = 0; functions
/// outside their domain give IEEE's infinities and NaN.
struct GNN_API Unary {
  static constexpr const char* name = "unary";
  static void cpu(UnaryOp op, const Tensor& x, Tensor& y);
  static void cuda(UnaryOp op, const Tensor& x, Tensor& y);
};

/// dx = grad * OP'(x), from x or, where unary_saves_output, from y; dx may be grad. abs'(0) = 0; ceil, floor,
/// round and sign are flat everywhere.
struct GNN_API UnaryBackward {
  static constexpr const char* name = "unary_backward";
  static void cpu(UnaryOp op, const Tensor& saved, const Tensor& grad, Tensor& dx);
  static void cuda(UnaryOp op, const Tensor& saved, const Tensor& grad, Tensor& dx);
};

/// y = x limited to [low, high]; NaN stays NaN.
struct GNN_API Clamp {
  static constexpr const char* name = "clamp";
  static void cpu(const Tensor& x, double low, double high, Tensor& y);
  static void cuda(const Tensor& x, double low, double high, Tensor& y);
};

/// dx = grad where low <= x <= high, else 0; dx may be grad.
struct GNN_API ClampBackward {
  static constexpr const char* name = "clamp_backward";
  static void cpu(const Tensor& x, double low, double high, const Tensor& grad, Tensor& dx);
  static void cuda(const Tensor& x, double low, double high, const Tensor& grad, Tensor& dx);
};

}  // namespace gnn::kernels
