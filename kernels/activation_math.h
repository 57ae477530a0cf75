#pragma once

// The activations and their derivatives for one number, for both back ends. Not installed.

#include <cmath>

#include "gnn/kernels/activation.h"
#include "gnn/kernels/fast_exp.h"
#include "gnn/kernels/fast_normal.h"

namespace gnn::kernels {

template <class T>
struct Relu {
  GNN_HD T value(T x) const { return x < T(0) ? T(0) : x; }
  GNN_HD T derivative(T y) const { return y <= T(0) ? T(0) : T(1); }
};

template <class T>
struct LeakyRelu {
  T alpha;
  GNN_HD T value(T x) const { return x > T(0) ? x : alpha * x; }
  GNN_HD T derivative(T x) const { return x > T(0) ? T(1) : alpha; }
};

template <class T>
struct Elu {
  T alpha;
  GNN_HD T value(T x) const { return x > T(0) ? x : alpha * expm1_of(x); }
  GNN_HD T derivative(T x) const { return x > T(0) ? T(1) : alpha * exp_of(x); }
};

/// exp of a negative number only, so that nothing overflows.
template <class T>
GNN_HD T sigmoid(T x) {
  const T e = exp_of(-std::fabs(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

template <class T>
struct Sigmoid {
  GNN_HD T value(T x) const { return sigmoid(x); }
  GNN_HD T derivative(T y) const { return y * (T(1) - y); }
};

template <class T>
struct Tanh {
  GNN_HD T value(T x) const { return tanh_of(x); }
  GNN_HD T derivative(T y) const { return (T(1) - y) * (T(1) + y); }
};

template <class T>
struct Gelu {
  static constexpr T density_scale = T(0.39894228040143267794);  // 1 / sqrt(2 pi)
  GNN_HD T value(T x) const { return x * normal_of(x).cumulative; }
  GNN_HD T derivative(T x) const {
    const NormalValue<T> normal = normal_of(x);
    return normal.cumulative + x * density_scale * normal.bell;
  }
};

template <class T>
struct GeluTanh {
  static constexpr T scale = T(0.79788456080286535588);  // sqrt(2 / pi)
  static constexpr T cubic = T(0.044715);
  GNN_HD static T inner(T x) { return tanh_of(scale * (x + cubic * x * x * x)); }
  GNN_HD T value(T x) const { return T(0.5) * x * (T(1) + inner(x)); }
  GNN_HD T derivative(T x) const {
    const T t = inner(x);
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t) * (T(1) + t) * scale * (T(1) + T(3) * cubic * x * x);
  }
};

template <class T>
struct Silu {
  GNN_HD T value(T x) const { return x * sigmoid(x); }
  GNN_HD T derivative(T x) const {
    const T s = sigmoid(x);
    return s * (T(1) + x * (T(1) - s));
  }
};

template <class T>
struct Softplus {
  T beta;
  static constexpr T threshold = T(20);
  // log(1 + e^z) = max(z, 0) + log(1 + e^-|z|): nothing overflows.
  GNN_HD T value(T x) const {
    const T z = x * beta;
    const T soft = (z < T(0) ? T(0) : z) + log1p_of_fraction(exp_of(-std::fabs(z)));
    return z > threshold ? x : soft / beta;
  }
  GNN_HD T derivative(T x) const { return x * beta > threshold ? T(1) : sigmoid(x * beta); }
};

template <class T>
struct Step {
  GNN_HD T value(T x) const { return x > T(0) ? T(1) : T(0); }
  GNN_HD T derivative(T) const { return T(0); }
};

/// Calls visit(f) with the functor of `kind`.
template <class T, class Visitor>
void visit_activation(Activation kind, const ActivationParameters& parameters, const Visitor& visit) {
  const T alpha = static_cast<T>(parameters.alpha);
  const T beta = static_cast<T>(parameters.beta);
  switch (kind) {
    case Activation::relu:
      return visit(Relu<T>{});
    case Activation::leaky_relu:
      return visit(LeakyRelu<T>{alpha});
    case Activation::elu:
      return visit(Elu<T>{alpha});
    case Activation::sigmoid:
      return visit(Sigmoid<T>{});
    case Activation::tanh:
      return visit(Tanh<T>{});
    case Activation::gelu:
      return visit(Gelu<T>{});
    case Activation::gelu_tanh:
      return visit(GeluTanh<T>{});
    case Activation::silu:
      return visit(Silu<T>{});
    case Activation::softplus:
      return visit(Softplus<T>{beta});
    case Activation::step:
      return visit(Step<T>{});
  }
}

}  // namespace gnn::kernels
