#include "gnn/train/grad_norm.h"

#include <cmath>
#include <limits>

#include "cases/grad_norm.h"
#include "data/torch_optimizers.h"
#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

/// Leaves of zeros with these gradients.
std::vector<Tensor> with_gradients(const std::vector<std::vector<double>>& grads,
                                   const std::vector<Shape>& shapes, DType dtype, Device device) {
  std::vector<Tensor> parameters;
  for (std::size_t p = 0; p < grads.size(); ++p) {
    parameters.push_back(zeros(shapes[p], {.dtype = dtype, .device = device}));
    parameters.back().set_requires_grad();
    parameters.back().set_grad(to_tensor({shapes[p], grads[p]}, dtype, device));
  }
  return parameters;
}

std::vector<Tensor> two(const std::vector<double>& a, const std::vector<double>& b, DType dtype,
                        Device device) {
  return with_gradients({a, b}, {{std::ssize(a)}, {std::ssize(b)}}, dtype, device);
}

GNN_TEST_OP(GradNormOp, cases::grad_norm());

TEST(ClipGradNorm, ScalesEveryTensor) {
  for (const NamedShapes& shapes : optimizer_shapes()) {
    if (shapes.benchmark_only) continue;
    std::vector<std::vector<double>> grads;
    double sum = 0;
    for (std::size_t p = 0; p < shapes.shapes.size(); ++p) {
      grads.push_back(random_values(shapes.shapes[p].numel(), -1, 1, 7 + static_cast<std::uint64_t>(p)));
      for (double& value : grads.back()) {
        value = static_cast<double>(static_cast<float>(value));
        sum += value * value;
      }
    }
    const double norm = std::sqrt(sum);
    for (const Device device : test_devices()) {
      for (const DType dtype : {DType::float32, DType::float64}) {
        for (const double share : {0.5, 1.5}) {
          std::vector<Tensor> parameters = with_gradients(grads, shapes.shapes, dtype, device);
          const Tensor before = clip_grad_norm(parameters, share * norm);
          EXPECT_EQ(before.device(), device);
          EXPECT_NEAR(before.item(), norm, 1e-12 * norm);
          const double factor = std::min(1.0, share * norm / (norm + 1e-6));
          for (std::size_t p = 0; p < parameters.size(); ++p) {
            Array want{shapes.shapes[p], grads[p]};
            for (double& value : want.values) value *= factor;
            // The factor and the product are rounded once each; the norm differs by the order of its sums.
            expect_close(to_array(parameters[p].grad()), want, dtype == DType::float32 ? 0x1p-23 : 1e-12,
                         shapes.name + " " + device.to_string());
          }
        }
      }
    }
  }
}

TEST(GradNorm, MatchesPyTorch) {
  const auto check = [](const std::vector<double>& want, const std::vector<double>& a,
                        const std::vector<double>& b, double max_norm) {
    for (const Device device : test_devices()) {
      std::vector<Tensor> parameters = two(a, b, DType::float64, device);
      std::vector<double> got{clip_grad_norm(parameters, max_norm).item()};
      for (const Tensor& parameter : parameters) {
        for (const double value : parameter.grad().to_doubles()) got.push_back(value);
      }
      expect_close({{4}, got}, {{4}, want}, 1e-15, device.to_string());
    }
  };
  check(torch_values::clip_grad_norm, {3, -4}, {12}, 6.5);
  check(torch_values::clip_grad_norm_below, {3, -4}, {12}, 14);
  check(torch_values::clip_grad_norm_infinite, {3, infinity}, {12}, 6.5);
  check(torch_values::clip_grad_norm_nan, {3, -4}, {nan}, 6.5);
}

TEST(GradNorm, ErrorIfNonfiniteChangesNothing) {
  for (const Device device : test_devices()) {
    for (const double bad : {nan, infinity}) {
      std::vector<Tensor> parameters = two({3, bad}, {4}, DType::float32, device);
      EXPECT_THROW(clip_grad_norm(parameters, 1, {.error_if_nonfinite = true}), TrainingError);
      EXPECT_EQ(parameters[1].grad().to_vector<float>(), std::vector<float>{4});
    }
    std::vector<Tensor> parameters = two({3}, {4}, DType::float32, device);
    EXPECT_EQ(clip_grad_norm(parameters, 10, {.error_if_nonfinite = true}).item(), 5);
  }
}

TEST(GradNorm, LargeFloatsDoNotOverflow) {
  for (const Device device : test_devices()) {
    const std::vector<Tensor> parameters = two({3e30}, {-4e30}, DType::float32, device);
    EXPECT_NEAR(grad_norm(parameters).item(), 5e30, 1e24);
    const std::vector<Tensor> tiny = two({3e-30}, {-4e-30}, DType::float32, device);
    EXPECT_NEAR(grad_norm(tiny).item(), 5e-30, 1e-36);
  }
}

TEST(GradNorm, MixedDTypesAndMissingGradients) {
  for (const Device device : test_devices()) {
    std::vector<Tensor> parameters = two({3}, {7}, DType::float32, device);
    parameters[1].set_grad({});
    parameters.push_back(two({4}, {0}, DType::float64, device)[0]);
    EXPECT_EQ(clip_grad_norm(parameters, 2.5).item(), 5);
    EXPECT_NEAR(parameters[0].grad().item(), 1.5, 1e-6);
    EXPECT_FALSE(parameters[1].grad().defined());
    EXPECT_NEAR(parameters[2].grad().item(), 2, 1e-6);
  }
  EXPECT_EQ(clip_grad_norm(std::vector<Tensor>{zeros({3})}, 1).item(), 0);
  EXPECT_EQ(clip_grad_norm({}, 1).item(), 0);
}

TEST(GradNorm, SameBitsOnAnyNumberOfThreads) {
  const std::vector<Tensor> parameters =
      with_gradients({random_values(100000, -1, 1, 1), random_values(33, -1, 1, 2)}, {{100000}, {33}},
                     DType::float32, Device::cpu());
  const int threads = num_threads();
  set_num_threads(1);
  const double one = grad_norm(parameters).item();
  set_num_threads(3);
  EXPECT_EQ(grad_norm(parameters).item(), one);
  set_num_threads(threads);
}

TEST(GradNorm, ClipValue) {
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      std::vector<Tensor> parameters =
          two({-3, -0.5, 0, 0.5, 3, nan, infinity, -infinity}, {1, 2}, dtype, device);
      clip_grad_value(parameters, 1);
      expect_close(to_array(parameters[0].grad()), {{8}, {-1, -0.5, 0, 0.5, 1, nan, 1, -1}}, 0,
                   device.to_string());
      expect_close(to_array(parameters[1].grad()), {{2}, {1, 1}}, 0, device.to_string());
    }
  }
}

TEST(GradNorm, Errors) {
  const std::vector<Tensor> parameters = two({3}, {4}, DType::float32, Device::cpu());
  EXPECT_THROW(clip_grad_norm(parameters, -1), ValueError);
  EXPECT_THROW(clip_grad_norm(parameters, nan), ValueError);
  EXPECT_THROW(clip_grad_value(parameters, -1), ValueError);
  EXPECT_THROW(clip_grad_value(parameters, nan), ValueError);
}

}  // namespace
}  // namespace gnn::testing
