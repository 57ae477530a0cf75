#include "cases/linear.h"

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(LinearOp, cases::linear());

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

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
