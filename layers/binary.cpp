#include "gnn/layers/binary.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/binary.h"
#include "gnn/kernels/sum_to.h"
#include "gnn/layers/unary.h"

namespace gnn {

namespace {

using kernels::BinaryOp;

void check_operand(const char* op, const Tensor& tensor) {
  check<ValueError>(tensor.defined(), "{}: expected two operands, got an undefined tensor", op);
  if (tensor.dtype() != DType::float32 && tensor.dtype() != DType::float64) {
    throw_unsupported_dtype(op, "float32 or float64", tensor.dtype());
  }
}

/// scale * the sum of `grad` over the axes along which `shape` was repeated.
Tensor sum_to(const Tensor& grad, const Shape& shape, double scale = 1) {
  if (grad.shape() == shape && scale == 1) return grad;
  Tensor sum = empty(shape, grad.options());
  kernels::run<kernels::SumTo>(grad, scale, sum);
  return sum;
}

/// add and sub: the gradients need no values. `sign` is db's.
Tensor additive(const char* op_name, BinaryOp op, const Tensor& a, const Tensor& b, Tensor y, double sign) {
  kernels::run<kernels::Binary>(op, a, b, y);
  return record(op_name, y, {a, b},
                [shape_a = a.shape(), shape_b = b.shape(), sign](const Tensor& grad, Gradients& grads) {
                  if (grads.needed(0)) grads.set(0, sum_to(grad, shape_a));
                  if (grads.needed(1)) grads.set(1, sum_to(grad, shape_b, sign));
                });
}

Tensor binary(const char* op_name, BinaryOp op, const Tensor& a, const Tensor& b) {
  check_operand(op_name, a);
  check_operand(op_name, b);
  check<DTypeError>(a.dtype() == b.dtype(), "{}: expected operands of one dtype, got {} and {}", op_name,
                    a.dtype(), b.dtype());
  check<DeviceError>(a.device() == b.device(), "{}: expected operands on one device, got {} and {}", op_name,
                     a.device(), b.device());
  Tensor y = empty(broadcast_shapes(op_name, a.shape(), b.shape()), a.options());
  if (op == BinaryOp::add || op == BinaryOp::sub) {
    return additive(op_name, op, a, b, y, op == BinaryOp::add ? 1 : -1);
  }
  kernels::run<kernels::Binary>(op, a, b, y);
  return record(op_name, y, {a, b}, [op, a = save(a), b = save(b)](const Tensor& grad, Gradients& grads) {
    Tensor da = grads.needed(0) ? empty_like(grad) : Tensor();
    Tensor db = grads.needed(1) ? empty_like(grad) : Tensor();
    kernels::run<kernels::BinaryBackward>(op, a.get(), b.get(), grad, da, db);
    if (da.defined()) grads.set(0, sum_to(da, a.get().shape()));
    if (db.defined()) grads.set(1, sum_to(db, b.get().shape()));
  });
}

Tensor with_scalar(const char* op_name, BinaryOp op, const Tensor& x, double scalar,
                   bool scalar_first = false) {
  check_operand(op_name, x);
  Tensor y = empty_like(x);
  kernels::run<kernels::BinaryScalar>(op, x, scalar, scalar_first, y);
  // x + c and x - c pass the gradient on; for x * c, x / c and c - x it is the gradient times, or through, a
  // number. None of them needs x.
  if (op == BinaryOp::add || (op == BinaryOp::sub && !scalar_first)) {
    return record(op_name, y, {x}, [](const Tensor& grad, Gradients& grads) { grads.set(0, grad); });
  }
  if (op == BinaryOp::mul || op == BinaryOp::sub || (op == BinaryOp::div && !scalar_first)) {
    const BinaryOp back = op == BinaryOp::div ? BinaryOp::div : BinaryOp::mul;
    const double factor = op == BinaryOp::sub ? -1 : scalar;
    return record(op_name, y, {x}, [back, factor](const Tensor& grad, Gradients& grads) {
      Tensor dx = empty_like(grad);
      kernels::run<kernels::BinaryScalar>(back, grad, factor, false, dx);
      grads.set(0, dx);
    });
  }
  return record(op_name, y, {x},
                [op, scalar, scalar_first, x = save(x)](const Tensor& grad, Gradients& grads) {
                  Tensor dx = empty_like(grad);
                  kernels::run<kernels::BinaryScalarBackward>(op, x.get(), scalar, scalar_first, grad, dx);
                  grads.set(0, dx);
                });
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return binary("add", BinaryOp::add, a, b);
}
Tensor add(const Tensor& a, double b) {
  return with_scalar("add", BinaryOp::add, a, b);
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return binary("sub", BinaryOp::sub, a, b);
}
Tensor sub(const Tensor& a, double b) {
  return with_scalar("sub", BinaryOp::sub, a, b);
}
Tensor sub(double a, const Tensor& b) {
  return with_scalar("sub", BinaryOp::sub, b, a, true);
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return binary("mul", BinaryOp::mul, a, b);
}
Tensor mul(const Tensor& a, double b) {
  return with_scalar("mul", BinaryOp::mul, a, b);
}

Tensor div(const Tensor& a, const Tensor& b) {
  return binary("div", BinaryOp::div, a, b);
}
Tensor div(const Tensor& a, double b) {
  return with_scalar("div", BinaryOp::div, a, b);
}
Tensor div(double a, const Tensor& b) {
  return with_scalar("div", BinaryOp::div, b, a, true);
}

Tensor pow(const Tensor& a, const Tensor& b) {
  return binary("pow", BinaryOp::pow, a, b);
}
Tensor pow(const Tensor& a, double b) {
  if (b == 2) return square(a);  // by far the most frequent exponent, and a multiplication
  return with_scalar("pow", BinaryOp::pow, a, b);
}
Tensor pow(double a, const Tensor& b) {
  return with_scalar("pow", BinaryOp::pow, b, a, true);
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return binary("maximum", BinaryOp::maximum, a, b);
}
Tensor maximum(const Tensor& a, double b) {
  return with_scalar("maximum", BinaryOp::maximum, a, b);
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return binary("minimum", BinaryOp::minimum, a, b);
}
Tensor minimum(const Tensor& a, double b) {
  return with_scalar("minimum", BinaryOp::minimum, a, b);
}

}  // namespace gnn
