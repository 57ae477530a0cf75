#include "gnn/layers/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gnn/core/error.h"
#include "gnn/core/generator.h"

namespace {

using gnn::FanMode;
using gnn::Nonlinearity;
using gnn::Tensor;

// 40,000 values: the mean of n draws is within 5 standard errors, sigma / sqrt(n) = sigma / 200, and the
// variance within 5 sqrt(kurtosis - 1) / sqrt(n), at most 5 sqrt(2) / 200 of itself. Both bounds fail one
// seed in a million.
const gnn::Shape conv_weight{100, 16, 5, 5};
constexpr double fan_in = 16 * 25;
constexpr double fan_out = 100 * 25;

struct Moments {
  double mean = 0;
  double variance = 0;
  double largest = 0;
};

Moments moments_of(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_doubles();
  const auto count = static_cast<double>(values.size());
  Moments moments;
  for (const double value : values) {
    moments.mean += value / count;
    moments.largest = std::max(moments.largest, std::abs(value));
  }
  for (const double value : values)
    moments.variance += (value - moments.mean) * (value - moments.mean) / count;
  return moments;
}

void expect_uniform(const Tensor& tensor, double bound) {
  const Moments moments = moments_of(tensor);
  const double deviation = bound / std::sqrt(3.0);
  EXPECT_NEAR(moments.mean, 0, 5 * deviation / 200);
  EXPECT_NEAR(moments.variance / (deviation * deviation), 1, 5 * std::sqrt(0.8) / 200);
  EXPECT_LE(moments.largest, bound * (1 + 1e-6));
  EXPECT_GT(moments.largest, bound * 0.999);
}

void expect_normal(const Tensor& tensor, double deviation) {
  const Moments moments = moments_of(tensor);
  EXPECT_NEAR(moments.mean, 0, 5 * deviation / 200);
  EXPECT_NEAR(moments.variance / (deviation * deviation), 1, 5 * std::sqrt(2.0) / 200);
  EXPECT_GT(moments.largest, 3.5 * deviation);  // a uniform distribution ends at sqrt(3)
}

TEST(Init, Fans) {
  EXPECT_EQ(gnn::fan_in_of(conv_weight), 400);
  EXPECT_EQ(gnn::fan_out_of(conv_weight), 2500);
  EXPECT_EQ(gnn::fan_in_of({10, 500}), 500);
  EXPECT_EQ(gnn::fan_out_of({10, 500}), 10);
  EXPECT_THROW(gnn::fan_in_of({10}), gnn::ShapeError);
  EXPECT_THROW(gnn::xavier_uniform({10}), gnn::ShapeError);
}

TEST(Init, Gains) {
  EXPECT_EQ(gnn::calculate_gain(Nonlinearity::linear), 1);
  EXPECT_EQ(gnn::calculate_gain(Nonlinearity::sigmoid), 1);
  EXPECT_DOUBLE_EQ(gnn::calculate_gain(Nonlinearity::tanh), 5.0 / 3);
  EXPECT_DOUBLE_EQ(gnn::calculate_gain(Nonlinearity::relu), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(gnn::calculate_gain(Nonlinearity::leaky_relu, 0.5), std::sqrt(1.6));
}

TEST(Init, UniformFanIn) {
  gnn::manual_seed(1);
  expect_uniform(gnn::uniform_fan_in(conv_weight, 400), 1 / std::sqrt(400.0));
  EXPECT_EQ(gnn::uniform_fan_in({3}, 0).to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(gnn::uniform_fan_in({0, 3}, 3).numel(), 0);
  EXPECT_THROW(gnn::uniform_fan_in({3}, -1), gnn::ValueError);
}

TEST(Init, Kaiming) {
  gnn::manual_seed(2);
  expect_normal(gnn::kaiming_normal(conv_weight), std::sqrt(2 / fan_in));
  expect_uniform(gnn::kaiming_uniform(conv_weight), std::sqrt(6 / fan_in));
  expect_normal(gnn::kaiming_normal(conv_weight, {.mode = FanMode::fan_out}), std::sqrt(2 / fan_out));
  // PyTorch resets Linear and Conv2d with kaiming_uniform_(a=sqrt(5)), which is uniform_fan_in.
  const Tensor weight = gnn::kaiming_uniform(
      conv_weight, {.nonlinearity = Nonlinearity::leaky_relu, .leaky_relu_slope = std::sqrt(5.0)});
  expect_uniform(weight, 1 / std::sqrt(fan_in));
}

TEST(Init, Xavier) {
  gnn::manual_seed(3);
  expect_normal(gnn::xavier_normal(conv_weight), std::sqrt(2 / (fan_in + fan_out)));
  expect_uniform(gnn::xavier_uniform(conv_weight, 2), 2 * std::sqrt(6 / (fan_in + fan_out)));
}

TEST(Init, ASeedGivesTheSameWeights) {
  gnn::manual_seed(4);
  const std::vector<double> first = gnn::xavier_uniform({7, 5}).to_doubles();
  const std::vector<double> second = gnn::xavier_uniform({7, 5}).to_doubles();
  EXPECT_NE(first, second);
  gnn::manual_seed(4);
  EXPECT_EQ(gnn::xavier_uniform({7, 5}).to_doubles(), first);
  gnn::manual_seed(5);
  EXPECT_NE(gnn::xavier_uniform({7, 5}).to_doubles(), first);
}

TEST(Init, WeightsAreOnTheCpuInFloat32) {
  const Tensor weight = gnn::kaiming_normal({3, 2});
  EXPECT_EQ(weight.dtype(), gnn::DType::float32);
  EXPECT_TRUE(weight.device().is_cpu());
  EXPECT_FALSE(weight.requires_grad());
}

}  // namespace
