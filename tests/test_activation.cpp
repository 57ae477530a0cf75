#include "cases/activation.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(ActivationOp, cases::activation());

TEST(Activation, NanStaysNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({std::nanf("")}, {1}, device);
    for (const auto& f : {relu, sigmoid, gnn::tanh, silu})
      EXPECT_TRUE(std::isnan(f(x).item())) << device.to_string();
    EXPECT_TRUE(std::isnan(leaky_relu(x).item()));
    EXPECT_TRUE(std::isnan(gelu(x).item()));
    EXPECT_TRUE(std::isnan(softplus(from_values<double>({nan}, {1}, device)).item()));
  }
}

TEST(Activation, GradientAtTheKinkIsTheLeftOne) {
  for (const Device device : test_devices()) {
    Tensor x = from_values<float>({0.0F, -0.0F}, {2}, device);
    x.set_requires_grad();
    const Tensor ones = from_values<float>({1, 1}, {2}, device);
    relu(x).backward(ones);
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0}));
    x.set_grad({});
    leaky_relu(x, 0.25).backward(ones);
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0.25, 0.25}));
  }
}

TEST(Activation, ErrorsNameTheFunction) {
  const Tensor integers = from_values<std::int64_t>({1, 2}, {2});
  try {
    gelu(integers);
    FAIL() << "gelu took int64";
  } catch (const DTypeError& error) {
    EXPECT_STREQ(error.what(), "gelu: expected float32 or float64, got int64");
  }
  EXPECT_THROW(softplus(zeros({2}), 0), ValueError);
  EXPECT_THROW(relu(Tensor()), ValueError);
}

}  // namespace
}  // namespace gnn::testing
