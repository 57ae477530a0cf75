#include "gnn/layers/compare.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/kernels/compare.h"
#include "gnn/layers/copy.h"
#include "gnn/layers/fill.h"
#include "gnn/layers/reduce.h"

namespace gnn {

namespace {

using kernels::CompareOp;

/// The halves as float32, which holds all of their values; others as they are.
Tensor comparable(const Tensor& x) {
  const bool half = x.dtype() == DType::float16 || x.dtype() == DType::bfloat16;
  return half ? to(x.detach(), DType::float32) : x;
}

Tensor compare(const char* op_name, CompareOp op, const Tensor& a, const Tensor& b) {
  check<ValueError>(a.defined() && b.defined(), "{}: expected two operands, got an undefined tensor",
                    op_name);
  check<DTypeError>(a.dtype() == b.dtype(), "{}: expected operands of one dtype, got {} and {}", op_name,
                    a.dtype(), b.dtype());
  check<DeviceError>(a.device() == b.device(), "{}: expected operands on one device, got {} and {}", op_name,
                     a.device(), b.device());
  Tensor y =
      empty(broadcast_shapes(op_name, a.shape(), b.shape()), {.dtype = DType::uint8, .device = a.device()});
  kernels::run<kernels::Compare>(op, comparable(a), comparable(b), y);
  return y;
}

Tensor compare_number(const char* op_name, CompareOp op, const Tensor& a, double b) {
  check<ValueError>(a.defined(), "{}: expected a tensor, got an undefined one", op_name);
  if (is_floating(a.dtype())) return compare(op_name, op, a, full({}, b, a.options()));
  // A fraction, or a number outside of the integers' range, is compared in float64. That rounds integers
  // beyond 2^53, but to numbers on the same side of any such number.
  const double low = a.dtype() == DType::uint8 ? 0 : a.dtype() == DType::int32 ? -0x1p31 : -0x1p63;
  const double high = a.dtype() == DType::uint8 ? 0x1p8 : a.dtype() == DType::int32 ? 0x1p31 : 0x1p63;
  if (std::trunc(b) == b && b >= low && b < high) return compare(op_name, op, a, full({}, b, a.options()));
  return compare(op_name, op, to(a, DType::float64), full({}, b, {DType::float64, a.device()}));
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) {
  return compare("eq", CompareOp::eq, a, b);
}
Tensor eq(const Tensor& a, double b) {
  return compare_number("eq", CompareOp::eq, a, b);
}

Tensor ne(const Tensor& a, const Tensor& b) {
  return compare("ne", CompareOp::ne, a, b);
}
Tensor ne(const Tensor& a, double b) {
  return compare_number("ne", CompareOp::ne, a, b);
}

Tensor lt(const Tensor& a, const Tensor& b) {
  return compare("lt", CompareOp::lt, a, b);
}
Tensor lt(const Tensor& a, double b) {
  return compare_number("lt", CompareOp::lt, a, b);
}

Tensor le(const Tensor& a, const Tensor& b) {
  return compare("le", CompareOp::le, a, b);
}
Tensor le(const Tensor& a, double b) {
  return compare_number("le", CompareOp::le, a, b);
}

Tensor gt(const Tensor& a, const Tensor& b) {
  return compare("gt", CompareOp::gt, a, b);
}
Tensor gt(const Tensor& a, double b) {
  return compare_number("gt", CompareOp::gt, a, b);
}

Tensor ge(const Tensor& a, const Tensor& b) {
  return compare("ge", CompareOp::ge, a, b);
}
Tensor ge(const Tensor& a, double b) {
  return compare_number("ge", CompareOp::ge, a, b);
}

Tensor all(const Tensor& x) {
  return eq(sum(ne(x, 0)), static_cast<double>(x.numel()));
}
Tensor any(const Tensor& x) {
  return gt(sum(ne(x, 0)), 0);
}

bool equal(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype() || a.device() != b.device()) return false;
  return sum(ne(a, b)).item() == 0;
}

}  // namespace gnn
