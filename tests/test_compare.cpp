#include "cases/compare.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/layers/copy.h"
#include "gnn/layers/reduce.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(Comparisons, cases::compare());

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
using Truth = std::vector<std::uint8_t>;

Truth truth(const Tensor& tensor) {
  return tensor.to_vector<std::uint8_t>();
}

TEST(Compare, NanIsUnequalToEverything) {
  for (const Device device : test_devices()) {
    const Tensor a = from_values<float>({nan, nan, 1, infinity, 0}, {5}, device);
    const Tensor b = from_values<float>({nan, 1, nan, infinity, -0.0F}, {5}, device);
    EXPECT_EQ(truth(eq(a, b)), (Truth{0, 0, 0, 1, 1}));
    EXPECT_EQ(truth(ne(a, b)), (Truth{1, 1, 1, 0, 0}));
    EXPECT_EQ(truth(lt(a, b)), (Truth{0, 0, 0, 0, 0}));
    EXPECT_EQ(truth(le(a, b)), (Truth{0, 0, 0, 1, 1}));
    EXPECT_EQ(truth(gt(a, b)), (Truth{0, 0, 0, 0, 0}));
    EXPECT_EQ(truth(ge(a, b)), (Truth{0, 0, 0, 1, 1}));
    EXPECT_FALSE(equal(a, a));
  }
}

TEST(Compare, NumbersAreRoundedToFloatsAndKeptForIntegers) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({0.1F, 0.5F, 2}, {3}, device);
    EXPECT_EQ(truth(eq(x, 0.1)), (Truth{1, 0, 0}));
    EXPECT_EQ(truth(gt(x, 0.5)), (Truth{0, 0, 1}));

    const Tensor n = from_values<std::int64_t>({2, 3, -1}, {3}, device);
    EXPECT_EQ(truth(eq(n, 2)), (Truth{1, 0, 0}));
    EXPECT_EQ(truth(eq(n, 2.5)), (Truth{0, 0, 0}));
    EXPECT_EQ(truth(lt(n, 2.5)), (Truth{1, 0, 1}));
    EXPECT_EQ(truth(ge(n, nan)), (Truth{0, 0, 0}));
    EXPECT_EQ(truth(lt(n, infinity)), (Truth{1, 1, 1}));

    const Tensor bytes = from_values<std::uint8_t>({0, 255}, {2}, device);
    EXPECT_EQ(truth(gt(bytes, -1)), (Truth{1, 1}));
    EXPECT_EQ(truth(lt(bytes, 256)), (Truth{1, 1}));
    EXPECT_EQ(truth(eq(bytes, 255)), (Truth{0, 1}));
  }
}

// Neighbours that float64 cannot tell apart.
TEST(Compare, LargeIntegersAreComparedExactly) {
  constexpr std::int64_t big = (std::int64_t{1} << 53) + 1;
  for (const Device device : test_devices()) {
    const Tensor a = from_values<std::int64_t>({big, big}, {2}, device);
    const Tensor b = from_values<std::int64_t>({big - 1, big}, {2}, device);
    EXPECT_EQ(truth(eq(a, b)), (Truth{0, 1}));
    EXPECT_EQ(truth(gt(a, b)), (Truth{1, 0}));
    EXPECT_EQ(truth(eq(a, 0x1p53)), (Truth{0, 0}));
  }
}

TEST(Compare, ResultsAreConstants) {
  Tensor x = from_values<float>({1, 2}, {2});
  x.set_requires_grad();
  EXPECT_FALSE(eq(x * 2.0, x).requires_grad());
}

TEST(Compare, CountsRightAnswers) {
  for (const Device device : test_devices()) {
    const Tensor logits = from_values<float>({1, 2, 4, 3, 0, 9}, {3, 2}, device);
    const Tensor labels = from_values<std::int64_t>({1, 1, 1}, {3}, device);
    const Tensor right = eq(argmax(logits, 1), labels);
    EXPECT_EQ(truth(right), (Truth{1, 0, 1}));
    EXPECT_NEAR(mean(to(right, DType::float32)).item(), 2.0 / 3, 1e-6);
  }
}

TEST(Compare, EqualLooksAtShapeAndDtypeToo) {
  for (const Device device : test_devices()) {
    const Tensor a = from_values<float>({1, 2}, {2}, device);
    EXPECT_TRUE(equal(a, from_values<float>({1, 2}, {2}, device)));
    EXPECT_FALSE(equal(a, from_values<float>({1, 3}, {2}, device)));
    EXPECT_FALSE(equal(a, from_values<float>({1, 2}, {1, 2}, device)));
    EXPECT_FALSE(equal(a, from_values<double>({1, 2}, {2}, device)));
    EXPECT_TRUE(equal(zeros({0}, {.device = device}), zeros({0}, {.device = device})));
  }
}

TEST(Compare, AllAndAny) {
  for (const Device device : test_devices()) {
    const auto both = [&](const std::vector<float>& values) {
      const Tensor x = from_values(values, {static_cast<std::int64_t>(values.size())}, device);
      return std::pair(all(x).item(), any(x).item());
    };
    EXPECT_EQ(both({}), std::pair(1.0, 0.0));
    EXPECT_EQ(both({0, -0.0F}), std::pair(0.0, 0.0));
    EXPECT_EQ(both({0, nan}), std::pair(0.0, 1.0));
    EXPECT_EQ(both({-1, nan}), std::pair(1.0, 1.0));
  }
}

TEST(Compare, ErrorsSayWhatDoesNotFit) {
  expect_error<ShapeError>([] { eq(zeros({2, 3}), zeros({4})); }, {"eq", "[2, 3]", "[4]"});
  expect_error<DTypeError>([] { lt(zeros({2}), zeros({2}, {.dtype = DType::int64})); },
                           {"lt", "float32", "int64"});
  expect_error<ValueError>([] { ge(Tensor(), zeros({2})); }, {"ge", "undefined"});
}

}  // namespace
}  // namespace gnn::testing
