#pragma once

#include <string>

#include "gnn/core/tensor.h"
#include "gnn/kernels/activation.h"
#include "gnn/layers/module.h"

// Element-wise activation functions on float32 and float64 tensors of any shape; the formulas are in
// kernels/activation.h. Each throws DTypeError for another dtype.

namespace gnn {

GNN_API Tensor relu(const Tensor& x);
GNN_API Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
GNN_API Tensor elu(const Tensor& x, double alpha = 1.0);
GNN_API Tensor sigmoid(const Tensor& x);
GNN_API Tensor tanh(const Tensor& x);

/// Which formula gelu() uses: the exact one, or the approximation by tanh.
enum class GeluApproximation : std::uint8_t { none, tanh };
GNN_API Tensor gelu(const Tensor& x, GeluApproximation approximation = GeluApproximation::none);

GNN_API Tensor silu(const Tensor& x);
/// Throws ValueError unless beta > 0.
GNN_API Tensor softplus(const Tensor& x, double beta = 1.0);
/// 1 where x > 0, else 0; the gradient is 0.
GNN_API Tensor step(const Tensor& x);

/// A layer that applies one activation function.
class GNN_API ActivationLayer : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  ActivationLayer(std::string kind, kernels::Activation activation,
                  const kernels::ActivationParameters& parameters = {});

 private:
  kernels::Activation activation_;
  kernels::ActivationParameters parameters_;
};

class GNN_API ReLU : public ActivationLayer {
 public:
  ReLU();
};

class GNN_API LeakyReLU : public ActivationLayer {
 public:
  explicit LeakyReLU(double negative_slope = 0.01);
};

class GNN_API ELU : public ActivationLayer {
 public:
  explicit ELU(double alpha = 1.0);
};

class GNN_API Sigmoid : public ActivationLayer {
 public:
  Sigmoid();
};

class GNN_API Tanh : public ActivationLayer {
 public:
  Tanh();
};

class GNN_API GELU : public ActivationLayer {
 public:
  explicit GELU(GeluApproximation approximation = GeluApproximation::none);
};

class GNN_API SiLU : public ActivationLayer {
 public:
  SiLU();
};

class GNN_API Softplus : public ActivationLayer {
 public:
  /// Throws ValueError unless beta > 0.
  explicit Softplus(double beta = 1.0);
};

}  // namespace gnn
