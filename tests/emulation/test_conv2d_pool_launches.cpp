// Which kernels conv2d_pool launches on CUDA: its direct ones, at most four of them for a step, and matrix
// products where those are better or the direct kernels' tiles do not fit.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "emulation/control.h"
#include "gnn/core/stream.h"
#include "gnn/layers/conv2d_pool.h"
#include "gnn/layers/fill.h"

namespace {

using gnn::Device;
using gnn::Shape;
using gnn::Tensor;

/// Launches whose kernel's name has `part` in it.
std::uint64_t count(const std::map<std::string, std::uint64_t>& launches, const std::string& part) {
  std::uint64_t sum = 0;
  for (const auto& [name, number] : launches) {
    if (name.find(part) != std::string::npos) sum += number;
  }
  return sum;
}

/// What conv2d_pool launches forward and, when `inputs` is set, with x's gradient, backward.
struct Launches {
  Launches(const Shape& x, const Shape& weight, bool input_gradient, gnn::DType dtype = gnn::DType::float32,
           const gnn::Conv2dPoolOptions& convolution = {}) {
    const gnn::TensorOptions options{dtype, Device::cuda(0)};
    Tensor image = gnn::zeros(x, options);
    if (input_gradient) image.set_requires_grad();
    Tensor kernel = gnn::zeros(weight, options).set_requires_grad();
    Tensor bias = gnn::zeros({weight[0]}, options).set_requires_grad();
    gnn::synchronize(options.device);
    gnn::emulation::take_launches();
    const Tensor y = gnn::conv2d_pool(image, kernel, bias, convolution);
    gnn::synchronize(options.device);
    forward = gnn::emulation::take_launches();
    const Tensor dy = gnn::zeros(y.shape(), options);
    gnn::synchronize(options.device);
    gnn::emulation::take_launches();
    y.backward(dy);
    gnn::synchronize(options.device);
    backward = gnn::emulation::take_launches();
  }
  std::map<std::string, std::uint64_t> forward;
  std::map<std::string, std::uint64_t> backward;
};

void expect_direct(const Launches& launches, bool input_gradient) {
  EXPECT_EQ(count(launches.forward, ""), 1u);
  EXPECT_EQ(count(launches.forward, "direct_forward_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, ""), input_gradient ? 3u : 2u);
  EXPECT_EQ(count(launches.backward, "direct_input_gradient_kernel"), input_gradient ? 1u : 0u);
  EXPECT_EQ(count(launches.backward, "weight_terms_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "weight_shares_kernel"), 1u);
}

TEST(Conv2dPoolLaunches, DirectKernelsWhereProductsWouldMoveMoreThanTheyCompute) {
  expect_direct(Launches({64, 1, 28, 28}, {20, 1, 5, 5}, false), false);
  expect_direct(Launches({64, 20, 12, 12}, {50, 20, 5, 5}, true), true);
  expect_direct(Launches({2, 3, 32, 32}, {64, 3, 3, 3}, true, gnn::DType::float64), true);
}

TEST(Conv2dPoolLaunches, ProductsOfManyChannels) {
  // 576 · 128 / (576 + 128) = 105 flops per element moved
  const Launches launches({1, 64, 6, 6}, {128, 64, 3, 3}, true);
  EXPECT_EQ(count(launches.forward, "im2col_kernel"), 1u);
  EXPECT_EQ(count(launches.forward, "pool_kernel"), 1u);
  EXPECT_EQ(count(launches.forward, "direct_"), 0u);
  EXPECT_EQ(count(launches.backward, "spread_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "col2im_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "im2col_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "direct_"), 0u);
  EXPECT_EQ(count(launches.backward, "weight_"), 0u);
}

TEST(Conv2dPoolLaunches, ProductsForTheInputsGradientOfAStride) {
  // 72 · 40 / (72 + 40) = 26 flops per element moved, four times that with the zeros between strided
  // positions
  const Launches launches({2, 8, 9, 9}, {40, 8, 3, 3}, true, gnn::DType::float32, {.stride = 2});
  EXPECT_EQ(count(launches.forward, ""), 1u);
  EXPECT_EQ(count(launches.backward, "spread_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "col2im_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "im2col_kernel"), 0u);
  EXPECT_EQ(count(launches.backward, "weight_terms_kernel"), 1u);
}

TEST(Conv2dPoolLaunches, ProductsWhereNoTileFits) {
  // The weights of one channel are 4 · 120² · 4 bytes for the forward pass and the input's gradient, and a
  // row of pooled outputs reads 121 rows of 121 pixels and more.
  const Launches launches({1, 1, 121, 121}, {1, 1, 120, 120}, true);
  EXPECT_EQ(count(launches.forward, "pool_kernel"), 1u);
  EXPECT_EQ(count(launches.forward, "direct_"), 0u);
  EXPECT_EQ(count(launches.backward, "spread_kernel"), 1u);
  EXPECT_EQ(count(launches.backward, "direct_"), 0u);
  EXPECT_EQ(count(launches.backward, "weight_terms_kernel"), 0u);
}

}  // namespace
