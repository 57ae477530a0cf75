#include "cases/linear.h"

#include <cmath>
#include <limits>
#include <utility>

#include "gnn/core/error.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/fill.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(LinearOp, cases::linear());

TEST(Linear, LayerHasPyTorchsParameters) {
  Linear layer(3, 2);
  const std::vector<NamedTensor> parameters = layer.named_parameters();
  ASSERT_EQ(parameters.size(), 2U);
  EXPECT_EQ(parameters[0].name, "weight");
  EXPECT_EQ(parameters[0].tensor.shape(), (Shape{2, 3}));
  EXPECT_EQ(parameters[1].name, "bias");
  EXPECT_EQ(parameters[1].tensor.shape(), Shape{2});
  EXPECT_EQ(layer.describe(), "3, 2");
  EXPECT_EQ(layer.flops({4, 3}, {4, 2}), 4 * 2 * 7);
  EXPECT_EQ(Linear(3, 2, false).parameters().size(), 1U);
  EXPECT_EQ(Linear(3, 2, false).describe(), "3, 2, bias=false");
}

TEST(Linear, LayerStartsWithinPyTorchsBound) {
  const double bound = 1 / std::sqrt(400.0);
  double largest = 0;
  Linear layer(400, 50);
  for (const Tensor& parameter : layer.parameters()) {
    for (const double value : parameter.to_doubles()) largest = std::max(largest, std::fabs(value));
  }
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
}

TEST(Linear, LayerComputesWhatTheFunctionDoes) {
  Linear layer(3, 2);
  const Tensor x = from_values<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(layer(x).to_vector<float>(), gnn::linear(x, layer.weight, layer.bias).to_vector<float>());
  layer(x).backward(from_values<float>({1, 1, 1, 1}, {2, 2}));
  EXPECT_EQ(layer.weight.grad().to_vector<float>(), (std::vector<float>{5, 7, 9, 5, 7, 9}));
  EXPECT_EQ(layer.bias.grad().to_vector<float>(), (std::vector<float>{2, 2}));
  EXPECT_FALSE(x.grad().defined());
}

/// Values and gradients of relu(linear(x)) as one op or as two; `share` of x is not zero.
std::vector<std::vector<float>> results_of(bool fused, const Shape& shape, std::int64_t out, double share) {
  const std::int64_t in = shape[1];
  const auto leaf = [](const Shape& of, std::uint64_t seed) {
    Tensor tensor = to_tensor({of, random_values(of.numel(), -1, 1, seed)}, DType::float32);
    tensor.set_requires_grad();
    return tensor;
  };
  Tensor x = share < 1 ? to_tensor({shape, cases::values_with_zeros(shape.numel(), share, 1)}, DType::float32)
                       : leaf(shape, 1);
  x.set_requires_grad();
  const Tensor weight = leaf({out, in}, 2);
  const Tensor bias = leaf({out}, 3);
  const Tensor y = fused ? linear_relu(x, weight, bias) : relu(linear(x, weight, bias));
  y.backward(to_tensor({y.shape(), random_values(y.numel(), -1, 1, 4)}, DType::float32));
  return {y.to_vector<float>(), x.grad().to_vector<float>(), weight.grad().to_vector<float>(),
          bias.grad().to_vector<float>()};
}

TEST(Linear, WithReluTheCpuGivesTheSameBits) {
  struct Sizes {
    Shape shape;
    std::int64_t out;
    double share = 1;
  };
  // A row, products that are turned over and not, more than one piece of work and of depth, zeros.
  for (const Sizes& s : {Sizes{{1, 300}, 70}, Sizes{{64, 800}, 500}, Sizes{{40, 33}, 10},
                         Sizes{{700, 20}, 130}, Sizes{{100, 130}, 90, 0.3}}) {
    EXPECT_EQ(results_of(true, s.shape, s.out, s.share), results_of(false, s.shape, s.out, s.share))
        << s.shape.to_string();
  }
}

class LinearOnDevice : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(LinearOnDevice);

TEST_P(LinearOnDevice, ReluKeepsNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Tensor x = from_values<float>({1, nan, -1, 2}, {2, 2}, device());
  x.set_requires_grad();
  const Tensor weight = from_values<float>({1, 1, 1, -2}, {2, 2}, device());
  const Tensor y = linear_relu(x, weight, zeros({2}, {.device = device()}));
  const std::vector<float> values = y.to_vector<float>();
  EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
  EXPECT_EQ(values[2], 1);
  EXPECT_EQ(values[3], 0);
  y.backward(ones_like(y));
  // A NaN has a gradient, as in relu(); what was cut off has none.
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, -1, 1, 1}));
}

TEST(Linear, WithReluErrorsNameThatFunction) {
  EXPECT_EQ(message_of([] {
              gnn::linear_relu(zeros({4, 5}), zeros({2, 3}));
            }),
            "linear_relu: expected input [*, 3] for weight [2, 3], got [4, 5]");
  Linear layer(3, 2);
  EXPECT_EQ(layer.with_relu(ones({4, 3})).to_vector<float>(), relu(layer(ones({4, 3}))).to_vector<float>());
}

TEST(Linear, ErrorsSayWhatWasExpected) {
  EXPECT_EQ(message_of([] {
              gnn::linear(zeros({4, 5}), zeros({2, 3}));
            }),
            "linear: expected input [*, 3] for weight [2, 3], got [4, 5]");
  EXPECT_EQ(message_of([] {
              gnn::linear(zeros({4, 3}), zeros({2, 3}), zeros({3}));
            }),
            "linear: expected bias [2] for weight [2, 3], got [3]");
  EXPECT_THROW(gnn::linear(zeros({}), zeros({2, 3})), ShapeError);
  EXPECT_THROW(gnn::linear(zeros({4, 3}), zeros({3})), ShapeError);
  EXPECT_THROW(gnn::linear(zeros({4, 3}), zeros({2, 3}, {.dtype = DType::float64})), DTypeError);
  EXPECT_THROW(gnn::linear(zeros({4, 3}), zeros({2, 3}), zeros({2}, {.dtype = DType::float64})), DTypeError);
  EXPECT_THROW(Linear(-1, 2), ValueError);
}

}  // namespace
}  // namespace gnn::testing
