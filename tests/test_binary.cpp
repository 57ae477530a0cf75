#include "cases/binary.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/binary.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(BinaryOps, cases::binary());

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

Tensor leaf(const std::vector<float>& values, Device device) {
  Tensor x = from_values(values, {static_cast<std::int64_t>(values.size())}, device);
  x.set_requires_grad();
  return x;
}

TEST(Binary, EqualOperandsShareTheGradient) {
  for (const Device device : test_devices()) {
    for (const auto op : {+[](const Tensor&a, const Tensor&b) { return maximum(a, b); },
                          +[](const Tensor&a, const Tensor&b) { return minimum(a, b); }}) {
      const Tensor a = leaf({1, -2, 0}, device);
      const Tensor b = leaf({1, -2, -0.0F}, device);
      op(a, b).backward(from_values<float>({1, 2, 4}, {3}, device));
      EXPECT_EQ(a.grad().to_vector<float>(), (std::vector<float>{0.5, 1, 2}));
      EXPECT_EQ(b.grad().to_vector<float>(), (std::vector<float>{0.5, 1, 2}));
    }
  }
}

TEST(Binary, MaximumAndMinimumKeepNan) {
  for (const Device device : test_devices()) {
    const Tensor a = from_values<float>({nan, 1, nan, infinity}, {4}, device);
    const Tensor b = from_values<float>({1, nan, nan, -infinity}, {4}, device);
    for (const Tensor& y : {maximum(a, b), minimum(a, b)}) {
      const std::vector<float> got = y.to_vector<float>();
      EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[1]) && std::isnan(got[2])) << device.to_string();
    }
    EXPECT_EQ(maximum(a, b).to_vector<float>()[3], infinity);
    EXPECT_EQ(minimum(a, b).to_vector<float>()[3], -infinity);
    EXPECT_TRUE(std::isnan(maximum(a, 0).to_vector<float>()[0]));
  }
}

TEST(Binary, DivisionByZeroIsIeee) {
  for (const Device device : test_devices()) {
    const Tensor y =
        div(from_values<float>({1, -1, 0}, {3}, device), from_values<float>({0, 0, 0}, {3}, device));
    const std::vector<float> got = y.to_vector<float>();
    EXPECT_EQ(got[0], infinity);
    EXPECT_EQ(got[1], -infinity);
    EXPECT_TRUE(std::isnan(got[2]));
  }
}

TEST(Binary, PowAtItsEdges) {
  for (const Device device : test_devices()) {
    const Tensor a = leaf({0, 0, 0, -2, -8}, device);
    const Tensor b = leaf({0, 2, 1, 3, 1.0F / 3}, device);
    const Tensor y = pow(a, b);
    y.backward(from_values<float>({1, 1, 1, 1, 1}, {5}, device));
    const std::vector<float> value = y.to_vector<float>();
    EXPECT_EQ(std::vector<float>(value.begin(), value.begin() + 4), (std::vector<float>{1, 0, 0, -8}));
    EXPECT_TRUE(std::isnan(value[4]));
    const std::vector<float> da = a.grad().to_vector<float>();
    EXPECT_EQ(std::vector<float>(da.begin(), da.begin() + 4), (std::vector<float>{0, 0, 1, 12}));
    const std::vector<float> db = b.grad().to_vector<float>();
    EXPECT_EQ(std::vector<float>(db.begin(), db.begin() + 3), (std::vector<float>{0, 0, 0}));
  }
}

TEST(Binary, GradientOfAQuotientDoesNotOverflowEarly) {
  for (const Device device : test_devices()) {
    const Tensor a = leaf({1e20F}, device);
    const Tensor b = leaf({1e20F}, device);
    div(a, b).backward();
    EXPECT_FLOAT_EQ(b.grad().to_vector<float>()[0], -1e-20F);
  }
}

TEST(Binary, OnlyNeededGradientsAreComputed) {
  for (const Device device : test_devices()) {
    const Tensor a = leaf({2, 3}, device);
    const Tensor constant = from_values<float>({5, 7}, {2}, device);
    (a * constant).backward(from_values<float>({1, 1}, {2}, device));
    EXPECT_EQ(a.grad().to_vector<float>(), (std::vector<float>{5, 7}));
    EXPECT_FALSE(constant.grad().defined());
  }
}

TEST(Binary, TheSameTensorTwice) {
  for (const Device device : test_devices()) {
    const Tensor a = leaf({2, -3}, device);
    (a * a + a).backward(from_values<float>({1, 10}, {2}, device));
    EXPECT_EQ(a.grad().to_vector<float>(), (std::vector<float>{5, -50}));
  }
}

// Views at odd offsets: every combination of aligned and unaligned operands, and tails.
TEST(Binary, UnalignedViews) {
  for (const Device device : test_devices()) {
    const Tensor memory = from_values(random_values(300, -1, 1, 5), {300}, device);
    const std::vector<double> values = memory.to_vector<double>();
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < 3; ++j) {
        const Tensor y = sub(memory.alias({5, 17}, i), memory.alias({17}, 100 + j));
        const std::vector<double> got = y.to_vector<double>();
        for (std::int64_t k = 0; k < 85; ++k) {
          ASSERT_EQ(got[static_cast<std::size_t>(k)], values[static_cast<std::size_t>(i + k)] -
                                                          values[static_cast<std::size_t>(100 + j + k % 17)]);
        }
      }
    }
  }
}

TEST(Binary, ResultMayBeAnOperand) {
  for (const Device device : test_devices()) {
    Tensor x = from_values<float>({1, 2, 3, 4, 5}, {5}, device);
    kernels::run<kernels::Binary>(kernels::BinaryOp::mul, x, x, x);
    kernels::run<kernels::BinaryScalar>(kernels::BinaryOp::sub, x, 1.0, false, x);
    EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{0, 3, 8, 15, 24}));
  }
}

TEST(AddInPlace, AddsAndCountsAsAChange) {
  for (const Device device : test_devices()) {
    for (const std::int64_t count : {0, 1, 31, 1023, 40000}) {
      Tensor y = from_values(random_values(count, -1, 1, 1), {count}, device);
      const Tensor x = from_values(random_values(count, -1, 1, 2), {count}, device);
      std::vector<double> want = y.to_vector<double>();
      const std::vector<double> added = x.to_vector<double>();
      for (std::size_t i = 0; i < want.size(); ++i) want[i] += added[i];
      const std::uint64_t version = y.version();
      kernels::run<kernels::AddInPlace>(y, x);
      EXPECT_EQ(y.to_vector<double>(), want) << count;
      EXPECT_GT(y.version(), version);
    }
    Tensor y = zeros({2}, {.device = device});
    EXPECT_THROW(kernels::run<kernels::AddInPlace>(y, zeros({3}, {.device = device})), ShapeError);
    EXPECT_THROW(
        kernels::run<kernels::AddInPlace>(y, zeros({2}, {.dtype = DType::float64, .device = device})),
        DTypeError);
  }
}

TEST(Binary, ErrorsSayWhatDoesNotFit) {
  try {
    add(zeros({2, 3}), zeros({4}));
    FAIL() << "shapes that do not broadcast were added";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "add: shapes [2, 3] and [4] cannot be broadcast together");
  }
  try {
    mul(zeros({2}), zeros({2}, {.dtype = DType::float64}));
    FAIL() << "float32 was multiplied with float64";
  } catch (const DTypeError& error) {
    EXPECT_STREQ(error.what(), "mul: expected operands of one dtype, got float32 and float64");
  }
  EXPECT_THROW(pow(zeros({2}, {.dtype = DType::int64}), 2), DTypeError);
  EXPECT_THROW(add(Tensor(), zeros({1})), ValueError);
  EXPECT_THROW(sub(zeros({1}), Tensor()), ValueError);
}

}  // namespace
}  // namespace gnn::testing
