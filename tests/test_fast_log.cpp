#include "gnn/kernels/fast_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/ulps.h"

namespace gnn::kernels {
namespace {

using testing::worst_ulps;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

const auto log_reference = [](double x) { return std::log(x); };
const auto log1p_reference = [](double x) { return std::log1p(x); };

TEST(FastLog, IsLogForEveryKindOfFloat) {
  const auto log = [](float x) { return fast_log(x); };
  EXPECT_LE(worst_ulps(log, log_reference, 0.0, 3.0), 2.0);
  EXPECT_LE(worst_ulps(log, log_reference, 0.999, 1.001), 2.0);
  for (double x = 1.5e-45; x < 3e38; x *= 1.001) {  // subnormal and normal
    const auto value = static_cast<float>(x);
    EXPECT_LE(testing::ulps(fast_log(value), std::log(static_cast<double>(value))), 2.0) << value;
  }
  EXPECT_EQ(fast_log(1.0F), 0.0F);
  EXPECT_EQ(fast_log(0.0F), -infinity);
  EXPECT_EQ(fast_log(-0.0F), -infinity);
  EXPECT_EQ(fast_log(infinity), infinity);
  EXPECT_TRUE(std::isnan(fast_log(-1.0F)));
  EXPECT_TRUE(std::isnan(fast_log(-infinity)));
  EXPECT_TRUE(std::isnan(fast_log(nan)));
}

TEST(FastLog, Log1pKeepsItsDigitsNextToZero) {
  const auto log1p = [](float x) { return fast_log1p(x); };
  EXPECT_LE(worst_ulps(log1p, log1p_reference, -0.9999, 10.0), 3.0);
  for (double x = 1e-38; x < 3e38; x *= 1.001) {
    const auto value = static_cast<float>(x);
    EXPECT_LE(testing::ulps(fast_log1p(value), std::log1p(static_cast<double>(value))), 3.0) << value;
  }
  EXPECT_EQ(fast_log1p(0.0F), 0.0F);
  EXPECT_EQ(fast_log1p(-1.0F), -infinity);
  EXPECT_EQ(fast_log1p(infinity), infinity);
  EXPECT_TRUE(std::isnan(fast_log1p(-1.5F)));
  EXPECT_TRUE(std::isnan(fast_log1p(-infinity)));
  EXPECT_TRUE(std::isnan(fast_log1p(nan)));
}

}  // namespace
}  // namespace gnn::kernels
