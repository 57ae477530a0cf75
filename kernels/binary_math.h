#pragma once

// Scalar maths of the binary operations, for both back ends: the value, and the gradients with respect to a
// and b given the gradient `g` of the value. Not installed.

#include <cmath>

#include "gnn/core/export.h"
#include "gnn/kernels/binary.h"

namespace gnn::kernels {

template <BinaryOp>
struct BinaryMath;

template <>
struct BinaryMath<BinaryOp::add> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return a + b;
  }
  template <class T>
  GNN_HD static T grad_a(T, T, T g) {
    return g;
  }
  template <class T>
  GNN_HD static T grad_b(T, T, T g) {
    return g;
  }
};

template <>
struct BinaryMath<BinaryOp::sub> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return a - b;
  }
  template <class T>
  GNN_HD static T grad_a(T, T, T g) {
    return g;
  }
  template <class T>
  GNN_HD static T grad_b(T, T, T g) {
    return -g;
  }
};

template <>
struct BinaryMath<BinaryOp::mul> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return a * b;
  }
  template <class T>
  GNN_HD static T grad_a(T, T b, T g) {
    return g * b;
  }
  template <class T>
  GNN_HD static T grad_b(T a, T, T g) {
    return g * a;
  }
};

template <>
struct BinaryMath<BinaryOp::div> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return a / b;
  }
  template <class T>
  GNN_HD static T grad_a(T, T b, T g) {
    return g / b;
  }
  template <class T>
  GNN_HD static T grad_b(T a, T b, T g) {
    return -g * ((a / b) / b);  // b * b would overflow or vanish earlier
  }
};

template <>
struct BinaryMath<BinaryOp::pow> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return std::pow(a, b);
  }
  template <class T>
  GNN_HD static T grad_a(T a, T b, T g) {
    return b == T{0} ? T{0} : g * (b * std::pow(a, b - T{1}));  // x^0 is constant, at x = 0 too
  }
  template <class T>
  GNN_HD static T grad_b(T a, T b, T g) {
    return a == T{0} && b >= T{0} ? T{0} : g * (std::pow(a, b) * std::log(a));  // 0^b is constant for b > 0
  }
};

// Equal operands share the gradient, so that it is the same whichever comes first.
template <>
struct BinaryMath<BinaryOp::maximum> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return a > b || a != a ? a : b;
  }
  template <class T>
  GNN_HD static T grad_a(T a, T b, T g) {
    return a == b ? g / T{2} : (a < b ? T{0} : g);
  }
  template <class T>
  GNN_HD static T grad_b(T a, T b, T g) {
    return grad_a(b, a, g);
  }
};

template <>
struct BinaryMath<BinaryOp::minimum> {
  template <class T>
  GNN_HD static T value(T a, T b) {
    return a < b || a != a ? a : b;
  }
  template <class T>
  GNN_HD static T grad_a(T a, T b, T g) {
    return a == b ? g / T{2} : (a > b ? T{0} : g);
  }
  template <class T>
  GNN_HD static T grad_b(T a, T b, T g) {
    return grad_a(b, a, g);
  }
};

/// Calls f(BinaryMath<op>{}).
template <class F>
void dispatch_binary(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::add:
      return f(BinaryMath<BinaryOp::add>{});
    case BinaryOp::sub:
      return f(BinaryMath<BinaryOp::sub>{});
    case BinaryOp::mul:
      return f(BinaryMath<BinaryOp::mul>{});
    case BinaryOp::div:
      return f(BinaryMath<BinaryOp::div>{});
    case BinaryOp::pow:
      return f(BinaryMath<BinaryOp::pow>{});
    case BinaryOp::maximum:
      return f(BinaryMath<BinaryOp::maximum>{});
    case BinaryOp::minimum:
      return f(BinaryMath<BinaryOp::minimum>{});
  }
}

}  // namespace gnn::kernels
