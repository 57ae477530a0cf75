#include "gnn/layers/init.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/layers/random.h"

namespace gnn {
namespace {

/// Elements of the receptive field: 1 for a matrix, h * w for a convolution's weight.
std::int64_t field_of(const Shape& weight) {
  check<ShapeError>(weight.dim() >= 2,
                    "init: fan-in and fan-out need a weight of 2 dimensions or more, got {}", weight);
  std::int64_t field = 1;
  for (std::size_t axis = 2; axis < weight.dim(); ++axis) field *= weight[axis];
  return field;
}

/// sqrt(variance), 0 for a weight without elements (its fan is 0 and the variance infinite).
double root(double variance) {
  return std::isfinite(variance) ? std::sqrt(variance) : 0;
}

Tensor uniform_within(const Shape& shape, double bound) {
  return uniform(shape, -bound, bound);
}

/// The standard deviation of Kaiming's initialisations.
double kaiming_std(const Shape& shape, const KaimingOptions& options) {
  const std::int64_t fan = options.mode == FanMode::fan_in ? fan_in_of(shape) : fan_out_of(shape);
  return calculate_gain(options.nonlinearity, options.leaky_relu_slope) * root(1 / static_cast<double>(fan));
}

double xavier_std(const Shape& shape, double gain) {
  return gain * root(2 / (static_cast<double>(fan_in_of(shape)) + static_cast<double>(fan_out_of(shape))));
}

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double leaky_relu_slope) {
  switch (nonlinearity) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid:
      return 1;
    case Nonlinearity::tanh:
      return 5.0 / 3.0;
    case Nonlinearity::relu:
      return std::sqrt(2.0);
    case Nonlinearity::leaky_relu:
      return std::sqrt(2.0 / (1.0 + leaky_relu_slope * leaky_relu_slope));
  }
  fail<ValueError>("calculate_gain: unknown nonlinearity");
}

std::int64_t fan_in_of(const Shape& weight) {
  const std::int64_t field = field_of(weight);
  return weight[1] * field;
}

std::int64_t fan_out_of(const Shape& weight) {
  const std::int64_t field = field_of(weight);
  return weight[0] * field;
}

Tensor uniform_fan_in(const Shape& shape, std::int64_t fan_in) {
  check<ValueError>(fan_in >= 0, "uniform_fan_in: expected fan_in >= 0, got {}", fan_in);
  return uniform_within(shape, root(1 / static_cast<double>(fan_in)));
}

Tensor kaiming_normal(const Shape& shape, const KaimingOptions& options) {
  return normal(shape, 0, kaiming_std(shape, options));
}

Tensor kaiming_uniform(const Shape& shape, const KaimingOptions& options) {
  return uniform_within(shape, std::sqrt(3.0) * kaiming_std(shape, options));
}

Tensor xavier_normal(const Shape& shape, double gain) {
  return normal(shape, 0, xavier_std(shape, gain));
}

Tensor xavier_uniform(const Shape& shape, double gain) {
  return uniform_within(shape, std::sqrt(3.0) * xavier_std(shape, gain));
}

}  // namespace gnn
