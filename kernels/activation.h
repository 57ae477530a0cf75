#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// The element-wise activation functions, with PyTorch's definitions:
///
///   relu        max(x, 0)
///   leaky_relu  x for x > 0, else alpha x
///   elu         x for x > 0, else alpha (exp(x) - 1)
///   sigmoid     1 / (1 + exp(-x))
///   tanh        tanh(x)
///   gelu        x Phi(x), Phi the normal distribution's cumulative function (Hendrycks and Gimpel, 2016)
///   gelu_tanh   x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), its approximation from the same paper
///   silu        x sigmoid(x)
///   softplus    log(1 + exp(beta x)) / beta, and x where beta x > 20
///   step        1 for x > 0, else 0; its derivative is 0 everywhere
enum class Activation : std::uint8_t {
  relu,
  leaky_relu,
  elu,
  sigmoid,
  tanh,
  gelu,
  gelu_tanh,
  silu,
  softplus,
  step
};

struct ActivationParameters {
  double alpha = 1;  ///< of leaky_relu and elu
  double beta = 1;   ///< of softplus
};

/// y = f(x), element by element; x and y have the same number of elements and dtype (float32, float64) and
/// may be the same memory. A NaN gives NaN (step: 0). At 0 the derivative of relu, leaky_relu and elu is the
/// left one.
struct GNN_API ActivationForward {
  static constexpr const char* name = "activation_forward";
  static void cpu(const Tensor& x, Tensor& y, Activation kind, const ActivationParameters& parameters);
  static void cuda(const Tensor& x, Tensor& y, Activation kind, const ActivationParameters& parameters);
};

/// dx = dy f'(x). `saved` is what the derivative is computed from: y for relu, sigmoid and tanh, where it is
/// the cheaper way and x need not be kept, x for all others (see activation_saves_output). dx may be dy's
/// memory.
struct GNN_API ActivationBackward {
  static constexpr const char* name = "activation_backward";
  static void cpu(const Tensor& saved, const Tensor& dy, Tensor& dx, Activation kind,
                  const ActivationParameters& parameters);
  static void cuda(const Tensor& saved, const Tensor& dy, Tensor& dx, Activation kind,
                   const ActivationParameters& parameters);
};

/// True for the activations whose backward kernel takes y instead of x.
constexpr bool activation_saves_output(Activation kind) {
  return kind == Activation::relu || kind == Activation::sigmoid || kind == Activation::tanh;
}

}  // namespace gnn::kernels
