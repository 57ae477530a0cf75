#include "gnn/kernels/fast_exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gnn/gnn.h"
#include "support/ulps.h"

namespace gnn::kernels {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

using testing::worst_ulps;

TEST(FastExp, IsExpForEveryKindOfFloat) {
  double worst = 0;
  for (double x = -110; x < 95; x += 0.00137) {
    const auto v = static_cast<float>(x);
    const double want = std::exp(static_cast<double>(v));
    const auto got = static_cast<double>(fast_exp(v));
    if (want > 3.4028235e38) {
      EXPECT_EQ(got, static_cast<double>(infinity)) << x;
    } else {
      // One unit in the last place is 1.2e-7 relative for normal numbers, 1.4e-45 for subnormal ones.
      worst = std::max(worst, std::fabs(got - want) / (1.2e-7 * want + 1.5e-45));
    }
  }
  EXPECT_LE(worst, 2.0);
  EXPECT_EQ(fast_exp(0.0F), 1.0F);
  EXPECT_EQ(fast_exp(-infinity), 0.0F);
  EXPECT_EQ(fast_exp(infinity), infinity);
  EXPECT_TRUE(std::isnan(fast_exp(nan)));
}

TEST(FastExp, RelativesKeepTheirDigitsNextToZero) {
  const auto expm1 = [](double x) { return std::expm1(x); };
  const auto log1p = [](double u) { return std::log1p(u); };
  const auto tanh = [](double x) { return std::tanh(x); };
  EXPECT_LE(worst_ulps([](float x) { return fast_expm1(x); }, expm1, -40, 88.7), 3.0);
  EXPECT_LE(worst_ulps([](float u) { return fast_log1p_of_fraction(u); }, log1p, 0, 1), 2.0);
  EXPECT_LE(worst_ulps([](float x) { return tanh_of(x); }, tanh, -20, 20), 3.0);
}

TEST(FastExp, RelativesOfWhatIsNotFinite) {
  EXPECT_EQ(fast_expm1(-infinity), -1.0F);
  EXPECT_EQ(fast_expm1(0.0F), 0.0F);
  EXPECT_EQ(fast_expm1(infinity), infinity);
  EXPECT_EQ(fast_expm1(89.0F), infinity);
  EXPECT_TRUE(std::isnan(fast_expm1(nan)));
  EXPECT_TRUE(std::isnan(fast_log1p_of_fraction(nan)));
  EXPECT_EQ(tanh_of(infinity), 1.0F);
  EXPECT_EQ(tanh_of(-infinity), -1.0F);
  EXPECT_TRUE(std::signbit(tanh_of(-0.0F)));
  EXPECT_TRUE(std::isnan(tanh_of(nan)));
}

TEST(FastExp, SoftplusOfInfinity) {
  const Tensor y = softplus(from_values<float>({-infinity, infinity, nan, -200, 200}, {5}));
  const std::vector<float> values = y.to_vector<float>();
  EXPECT_EQ(values[0], 0.0F);
  EXPECT_EQ(values[1], infinity);
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_EQ(values[3], 0.0F);
  EXPECT_EQ(values[4], 200.0F);
}

}  // namespace
}  // namespace gnn::kernels
