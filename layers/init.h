#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"

// Initial values of parameters. All are new float32 tensors on the CPU, drawn from default_generator(), so
// that a seed gives the same weights for every device; move them with the module.
//
// A weight's fan-in is the number of inputs that one of its outputs is computed from: shape[1] times the
// product of the sizes behind it ([out, in] of Linear, [out, in / groups, h, w] of Conv2d). Its fan-out is
// shape[0] times that product. Functions that derive them throw ShapeError for a shape of fewer than 2
// dimensions.

namespace gnn {

/// Which of the two keeps its variance: activations on the way forward, gradients on the way back.
enum class FanMode { fan_in, fan_out };

/// How much an activation shrinks the standard deviation of its input, as PyTorch's calculate_gain has it: 1
/// for linear, convolution and sigmoid; 5/3 for tanh; sqrt(2) for relu; sqrt(2 / (1 + a^2)) for leaky_relu
/// with slope a.
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu };
GNN_API double calculate_gain(Nonlinearity nonlinearity, double leaky_relu_slope = 0.01);

GNN_API std::int64_t fan_in_of(const Shape& weight);
GNN_API std::int64_t fan_out_of(const Shape& weight);

/// PyTorch's default for the weight and bias of Linear and Conv2d: uniform in [-b, b) with b = 1 /
/// sqrt(fan_in). For a bias, `fan_in` is that of the weight. Zeros for fan_in 0; throws ValueError below.
GNN_API Tensor uniform_fan_in(const Shape& shape, std::int64_t fan_in);

struct KaimingOptions {
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::relu;
  double leaky_relu_slope = 0.01;
};

/// He et al., "Delving Deep into Rectifiers" (2015): normal with mean 0 and standard deviation gain /
/// sqrt(fan).
GNN_API Tensor kaiming_normal(const Shape& shape, const KaimingOptions& options = {});
/// The same variance, uniform: in [-b, b) with b = gain * sqrt(3 / fan).
GNN_API Tensor kaiming_uniform(const Shape& shape, const KaimingOptions& options = {});

/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010):
/// normal with mean 0 and standard deviation gain * sqrt(2 / (fan_in + fan_out)).
GNN_API Tensor xavier_normal(const Shape& shape, double gain = 1);
/// The same variance, uniform: in [-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)).
GNN_API Tensor xavier_uniform(const Shape& shape, double gain = 1);

}  // namespace gnn
