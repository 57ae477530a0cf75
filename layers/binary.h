#pragma once

#include "gnn/core/tensor.h"

// Element-wise arithmetic of two tensors, or of a tensor and a number, in float32 and float64. Shapes are
// broadcast by NumPy's rules: aligned at the last dimension, a size of 1 or a missing dimension is repeated;
// the gradient of a repeated operand is the sum over its repetitions. A number is rounded to the tensor's
// dtype. All throw ShapeError for shapes that do not broadcast together, DTypeError for other or different
// dtypes and DeviceError for different devices.

namespace gnn {

/// a + b.
GNN_API Tensor add(const Tensor& a, const Tensor& b);
GNN_API Tensor add(const Tensor& a, double b);

/// a - b.
GNN_API Tensor sub(const Tensor& a, const Tensor& b);
GNN_API Tensor sub(const Tensor& a, double b);
GNN_API Tensor sub(double a, const Tensor& b);

/// a * b, element by element.
GNN_API Tensor mul(const Tensor& a, const Tensor& b);
GNN_API Tensor mul(const Tensor& a, double b);

/// a / b; IEEE's infinities and NaN for a divisor of 0.
GNN_API Tensor div(const Tensor& a, const Tensor& b);
GNN_API Tensor div(const Tensor& a, double b);
GNN_API Tensor div(double a, const Tensor& b);

/// a to the power of b; NaN for a negative a and a b that is not whole. The gradient with respect to a is 0
/// where b = 0, that with respect to b is 0 where a = 0 and b >= 0.
GNN_API Tensor pow(const Tensor& a, const Tensor& b);
GNN_API Tensor pow(const Tensor& a, double b);
GNN_API Tensor pow(double a, const Tensor& b);

/// The larger, or smaller, of both; NaN if either is NaN. Where both are equal each gets half of the
/// gradient.
GNN_API Tensor maximum(const Tensor& a, const Tensor& b);
GNN_API Tensor maximum(const Tensor& a, double b);
GNN_API Tensor minimum(const Tensor& a, const Tensor& b);
GNN_API Tensor minimum(const Tensor& a, double b);

inline Tensor operator+(const Tensor& a, const Tensor& b) {
  return add(a, b);
}
inline Tensor operator+(const Tensor& a, double b) {
  return add(a, b);
}
inline Tensor operator+(double a, const Tensor& b) {
  return add(b, a);
}
inline Tensor operator-(const Tensor& a, const Tensor& b) {
  return sub(a, b);
}
inline Tensor operator-(const Tensor& a, double b) {
  return sub(a, b);
}
inline Tensor operator-(double a, const Tensor& b) {
  return sub(a, b);
}
inline Tensor operator*(const Tensor& a, const Tensor& b) {
  return mul(a, b);
}
inline Tensor operator*(const Tensor& a, double b) {
  return mul(a, b);
}
inline Tensor operator*(double a, const Tensor& b) {
  return mul(b, a);
}
inline Tensor operator/(const Tensor& a, const Tensor& b) {
  return div(a, b);
}
inline Tensor operator/(const Tensor& a, double b) {
  return div(a, b);
}
inline Tensor operator/(double a, const Tensor& b) {
  return div(a, b);
}

}  // namespace gnn
