#include "gnn/layers/unary.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/unary.h"

namespace gnn {
namespace {

using kernels::UnaryOp;

void check_operand(const char* op, const Tensor& x) {
  if (x.dtype() != DType::float32 && x.dtype() != DType::float64) {
    throw_unsupported_dtype(op, "float32 or float64", x.dtype());
  }
}

Tensor unary(const char* op_name, UnaryOp op, const Tensor& x) {
  check_operand(op_name, x);
  Tensor y = empty_like(x);
  kernels::run<kernels::Unary>(op, x, y);
  return record(
      op_name, y, {x},
      [op, saved = save(kernels::unary_saves_output(op) ? y : x)](const Tensor& grad, Gradients& grads) {
        Tensor dx = empty_like(grad);
        kernels::run<kernels::UnaryBackward>(op, saved.get(), grad, dx);
        grads.set(0, dx);
      });
}

}  // namespace

Tensor abs(const Tensor& x) {
  return unary("abs", UnaryOp::abs, x);
}

Tensor ceil(const Tensor& x) {
  return unary("ceil", UnaryOp::ceil, x);
}

Tensor cos(const Tensor& x) {
  return unary("cos", UnaryOp::cos, x);
}

Tensor exp(const Tensor& x) {
  return unary("exp", UnaryOp::exp, x);
}

Tensor expm1(const Tensor& x) {
  return unary("expm1", UnaryOp::expm1, x);
}

Tensor floor(const Tensor& x) {
  return unary("floor", UnaryOp::floor, x);
}

Tensor log(const Tensor& x) {
  return unary("log", UnaryOp::log, x);
}

Tensor log1p(const Tensor& x) {
  return unary("log1p", UnaryOp::log1p, x);
}

Tensor neg(const Tensor& x) {
  return unary("neg", UnaryOp::neg, x);
}

Tensor reciprocal(const Tensor& x) {
  return unary("reciprocal", UnaryOp::reciprocal, x);
}

Tensor round(const Tensor& x) {
  return unary("round", UnaryOp::round, x);
}

Tensor rsqrt(const Tensor& x) {
  return unary("rsqrt", UnaryOp::rsqrt, x);
}

Tensor sign(const Tensor& x) {
  return unary("sign", UnaryOp::sign, x);
}

Tensor sin(const Tensor& x) {
  return unary("sin", UnaryOp::sin, x);
}

Tensor sqrt(const Tensor& x) {
  return unary("sqrt", UnaryOp::sqrt, x);
}

Tensor square(const Tensor& x) {
  return unary("square", UnaryOp::square, x);
}

Tensor clamp(const Tensor& x, double low, double high) {
  check<ValueError>(low <= high, "clamp: expected low <= high, got {} and {}", low, high);
  check_operand("clamp", x);
  Tensor y = empty_like(x);
  kernels::run<kernels::Clamp>(x, low, high, y);
  return record("clamp", y, {x}, [low, high, x = save(x)](const Tensor& grad, Gradients& grads) {
    Tensor dx = empty_like(grad);
    kernels::run<kernels::ClampBackward>(x.get(), low, high, grad, dx);
    grads.set(0, dx);
  });
}

}  // namespace gnn
