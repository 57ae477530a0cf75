#pragma once

// The functions of kernels/unary.h and their derivatives for one number, for both back ends. A derivative
// takes the argument x or the result y, as its parameter says. Those with fast_value() and fast_derivative()
// have them for the CPU's float32, for the x where is_fast(x). Not installed.

#include <cmath>

#include "gnn/core/export.h"
#include "gnn/kernels/fast_exp.h"
#include "gnn/kernels/fast_log.h"
#include "gnn/kernels/fast_sincos.h"
#include "gnn/kernels/unary.h"

namespace gnn::kernels {

template <class T>
struct Abs {
  GNN_HD T value(T x) const { return std::fabs(x); }
  GNN_HD T derivative(T x) const { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x - x; }  // NaN for NaN
};

template <class T>
struct Ceil {
  GNN_HD T value(T x) const { return std::ceil(x); }
  GNN_HD T derivative(T) const { return T(0); }
};

template <class T>
struct Cos {
  GNN_HD T value(T x) const { return std::cos(x); }
  GNN_HD T derivative(T x) const { return -std::sin(x); }
  static bool is_fast(T x) { return std::fabs(x) <= sincos_limit; }
  static T fast_value(T x) { return fast_cos(x); }
  static T fast_derivative(T x) { return -fast_sin(x); }
};

template <class T>
struct Exp {
  GNN_HD T value(T x) const { return exp_of(x); }
  GNN_HD T derivative(T y) const { return y; }
};

template <class T>
struct Expm1 {
  GNN_HD T value(T x) const { return expm1_of(x); }
  GNN_HD T derivative(T y) const { return y + T(1); }
};

template <class T>
struct Floor {
  GNN_HD T value(T x) const { return std::floor(x); }
  GNN_HD T derivative(T) const { return T(0); }
};

template <class T>
struct Log {
  GNN_HD T value(T x) const { return log_of(x); }
  GNN_HD T derivative(T x) const { return T(1) / x; }
};

template <class T>
struct Log1p {
  GNN_HD T value(T x) const { return log1p_of(x); }
  GNN_HD T derivative(T x) const { return T(1) / (T(1) + x); }
};

template <class T>
struct Neg {
  GNN_HD T value(T x) const { return -x; }
  GNN_HD T derivative(T) const { return T(-1); }
};

template <class T>
struct Reciprocal {
  GNN_HD T value(T x) const { return T(1) / x; }
  GNN_HD T derivative(T y) const { return -y * y; }
};

template <class T>
struct Round {
  GNN_HD T value(T x) const { return std::rint(x); }
  GNN_HD T derivative(T) const { return T(0); }
};

template <class T>
struct Rsqrt {
  GNN_HD T value(T x) const { return T(1) / std::sqrt(x); }
  GNN_HD T derivative(T y) const { return T(-0.5) * y * y * y; }
};

template <class T>
struct Sign {
  GNN_HD T value(T x) const { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x; }
  GNN_HD T derivative(T) const { return T(0); }
};

template <class T>
struct Sin {
  GNN_HD T value(T x) const { return std::sin(x); }
  GNN_HD T derivative(T x) const { return std::cos(x); }
  static bool is_fast(T x) { return std::fabs(x) <= sincos_limit; }
  static T fast_value(T x) { return fast_sin(x); }
  static T fast_derivative(T x) { return fast_cos(x); }
};

template <class T>
struct Sqrt {
  GNN_HD T value(T x) const { return std::sqrt(x); }
  GNN_HD T derivative(T y) const { return T(0.5) / y; }
};

template <class T>
struct Square {
  GNN_HD T value(T x) const { return x * x; }
  GNN_HD T derivative(T x) const { return T(2) * x; }
};

/// Comparisons, not fmin and fmax, which would turn NaN into a limit.
template <class T>
struct ClampTo {
  T low, high;
  GNN_HD T value(T x) const { return x < low ? low : x > high ? high : x; }
  GNN_HD T derivative(T x) const { return x < low || x > high ? T(0) : T(1); }
};

/// Calls visit(f) with the functor of `op`.
template <class T, class Visitor>
void visit_unary(UnaryOp op, const Visitor& visit) {
  switch (op) {
    case UnaryOp::abs:
      return visit(Abs<T>{});
    case UnaryOp::ceil:
      return visit(Ceil<T>{});
    case UnaryOp::cos:
      return visit(Cos<T>{});
    case UnaryOp::exp:
      return visit(Exp<T>{});
    case UnaryOp::expm1:
      return visit(Expm1<T>{});
    case UnaryOp::floor:
      return visit(Floor<T>{});
    case UnaryOp::log:
      return visit(Log<T>{});
    case UnaryOp::log1p:
      return visit(Log1p<T>{});
    case UnaryOp::neg:
      return visit(Neg<T>{});
    case UnaryOp::reciprocal:
      return visit(Reciprocal<T>{});
    case UnaryOp::round:
      return visit(Round<T>{});
    case UnaryOp::rsqrt:
      return visit(Rsqrt<T>{});
    case UnaryOp::sign:
      return visit(Sign<T>{});
    case UnaryOp::sin:
      return visit(Sin<T>{});
    case UnaryOp::sqrt:
      return visit(Sqrt<T>{});
    case UnaryOp::square:
      return visit(Square<T>{});
  }
}

}  // namespace gnn::kernels
