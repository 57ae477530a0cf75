#include "cases/unary.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(UnaryOps, cases::unary());

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Unary, NanStaysNan) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({nan}, {1}, device);
    int which = 0;
    for (const auto f : {gnn::abs, gnn::ceil, gnn::cos, gnn::exp, expm1, gnn::floor, gnn::log, gnn::log1p,
                         neg, reciprocal, gnn::round, rsqrt, sign, gnn::sin, gnn::sqrt, square}) {
      EXPECT_TRUE(std::isnan(f(x).item())) << device.to_string() << ", function " << which++;
    }
    EXPECT_TRUE(std::isnan(clamp(x, 0, 1).item()));
  }
}

TEST(Unary, OutsideTheDomainIsIeee) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({0, -1, infinity}, {3}, device);
    EXPECT_EQ(gnn::log(x).to_vector<float>()[0], -infinity);
    EXPECT_TRUE(std::isnan(gnn::log(x).to_vector<float>()[1]));
    EXPECT_TRUE(std::isnan(gnn::sqrt(x).to_vector<float>()[1]));
    EXPECT_EQ(gnn::log1p(x).to_vector<float>()[1], -infinity);
    EXPECT_EQ(reciprocal(x).to_vector<float>()[0], infinity);
    EXPECT_EQ(reciprocal(x).to_vector<float>()[2], 0);
    EXPECT_EQ(rsqrt(x).to_vector<float>()[0], infinity);
    EXPECT_EQ(gnn::exp(x).to_vector<float>()[2], infinity);
  }
}

TEST(Unary, Rounding) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({-2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F, 2.6F}, {7}, device);
    EXPECT_EQ(gnn::round(x).to_vector<float>(), (std::vector<float>{-2, -2, 0, 0, 2, 2, 3}));
    EXPECT_EQ(gnn::floor(x).to_vector<float>(), (std::vector<float>{-3, -2, -1, 0, 1, 2, 2}));
    EXPECT_EQ(gnn::ceil(x).to_vector<float>(), (std::vector<float>{-2, -1, 0, 1, 2, 3, 3}));
  }
}

TEST(Unary, GradientsAtKinksAndLimits) {
  for (const Device device : test_devices()) {
    const Tensor seed = from_values<float>({1, 1, 1}, {3}, device);
    Tensor x = from_values<float>({0, -0.0F, 2}, {3}, device);
    x.set_requires_grad();
    gnn::abs(x).backward(seed);
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0, 1}));
    x.set_grad({});
    clamp(x, 0, 1).backward(seed);  // a limit itself passes the gradient
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{1, 1, 0}));
    x.set_grad({});
    sign(x).backward(seed);
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0, 0}));
    EXPECT_EQ(sign(x).to_vector<float>(), (std::vector<float>{0, 0, 1}));
  }
}

TEST(Unary, Errors) {
  try {
    gnn::exp(from_values<std::int32_t>({1}, {1}));
    FAIL() << "exp took int32";
  } catch (const DTypeError& error) {
    EXPECT_STREQ(error.what(), "exp: expected float32 or float64, got int32");
  }
  EXPECT_THROW(clamp(zeros({1}), 2, 1), ValueError);
  EXPECT_THROW(clamp(zeros({1}), nan, 1), ValueError);
  EXPECT_THROW(neg(Tensor()), ValueError);
}

}  // namespace
}  // namespace gnn::testing
