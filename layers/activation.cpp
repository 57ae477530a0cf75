#include "gnn/layers/activation.h"

#include <utility>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

using kernels::Activation;
using kernels::ActivationParameters;

Tensor activate(const char* op, const Tensor& x, Activation kind,
                const ActivationParameters& parameters = {}) {
  check<DTypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                    "{}: expected float32 or float64, got {}", op, x.dtype());
  Tensor y = empty_like(x);
  kernels::run<kernels::ActivationForward>(x, y, kind, parameters);
  const Saved saved = save(kernels::activation_saves_output(kind) ? y : x);
  return record(op, y, {x}, [saved, kind, parameters](const Tensor& dy, Gradients& grads) {
    Tensor dx = empty_like(dy);
    kernels::run<kernels::ActivationBackward>(saved.get(), dy, dx, kind, parameters);
    grads.set(0, dx);
  });
}

ActivationParameters softplus_parameters(double beta) {
  check<ValueError>(beta > 0, "softplus: expected beta > 0, got {}", beta);
  return {.beta = beta};
}

const char* op_name(Activation kind) {
  switch (kind) {
    case Activation::relu:
      return "relu";
    case Activation::leaky_relu:
      return "leaky_relu";
    case Activation::elu:
      return "elu";
    case Activation::sigmoid:
      return "sigmoid";
    case Activation::tanh:
      return "tanh";
    case Activation::gelu:
    case Activation::gelu_tanh:
      return "gelu";
    case Activation::silu:
      return "silu";
    case Activation::softplus:
      return "softplus";
    case Activation::step:
      return "step";
  }
  return "activation";
}

Activation gelu_kind(GeluApproximation approximation) {
  return approximation == GeluApproximation::tanh ? Activation::gelu_tanh : Activation::gelu;
}

}  // namespace

Tensor relu(const Tensor& x) {
  return activate("relu", x, Activation::relu);
}

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return activate("leaky_relu", x, Activation::leaky_relu, {.alpha = negative_slope});
}

Tensor elu(const Tensor& x, double alpha) {
  return activate("elu", x, Activation::elu, {.alpha = alpha});
}

Tensor sigmoid(const Tensor& x) {
  return activate("sigmoid", x, Activation::sigmoid);
}

Tensor tanh(const Tensor& x) {
  return activate("tanh", x, Activation::tanh);
}

Tensor gelu(const Tensor& x, GeluApproximation approximation) {
  return activate("gelu", x, gelu_kind(approximation));
}

Tensor silu(const Tensor& x) {
  return activate("silu", x, Activation::silu);
}

Tensor softplus(const Tensor& x, double beta) {
  return activate("softplus", x, Activation::softplus, softplus_parameters(beta));
}

Tensor step(const Tensor& x) {
  return activate("step", x, Activation::step);
}

ActivationLayer::ActivationLayer(std::string kind, Activation activation,
                                 const ActivationParameters& parameters)
    : Module(std::move(kind)), activation_(activation), parameters_(parameters) {}

Tensor ActivationLayer::forward(const Tensor& input) {
  return activate(op_name(activation_), input, activation_, parameters_);
}

std::int64_t ActivationLayer::flops(const Shape& input, const Shape&) const {
  return input.numel();
}

ReLU::ReLU() : ActivationLayer("ReLU", Activation::relu) {}

LeakyReLU::LeakyReLU(double negative_slope)
    : ActivationLayer("LeakyReLU", Activation::leaky_relu, {.alpha = negative_slope}) {}

ELU::ELU(double alpha) : ActivationLayer("ELU", Activation::elu, {.alpha = alpha}) {}

Sigmoid::Sigmoid() : ActivationLayer("Sigmoid", Activation::sigmoid) {}

Tanh::Tanh() : ActivationLayer("Tanh", Activation::tanh) {}

GELU::GELU(GeluApproximation approximation) : ActivationLayer("GELU", gelu_kind(approximation)) {}

SiLU::SiLU() : ActivationLayer("SiLU", Activation::silu) {}

Softplus::Softplus(double beta)
    : ActivationLayer("Softplus", Activation::softplus, softplus_parameters(beta)) {}

}  // namespace gnn
