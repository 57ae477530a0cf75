#include "gnn/kernels/fast_sincos.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gnn/gnn.h"
#include "support/ulps.h"

namespace gnn::kernels {
namespace {

using testing::worst_ulps;

const auto sine = [](double x) { return std::sin(x); };
const auto cosine = [](double x) { return std::cos(x); };

TEST(FastSincos, ToTwoUnitsUpToTheLimit) {
  for (const double limit : {1.0, 10.0, 1e4, 1048576.0}) {
    EXPECT_LE(worst_ulps([](float x) { return fast_sin(x); }, sine, -limit, limit), 2.0) << limit;
    EXPECT_LE(worst_ulps([](float x) { return fast_cos(x); }, cosine, -limit, limit), 2.0) << limit;
  }
}

// Where sine or cosine nearly vanish, every digit of the remainder counts.
TEST(FastSincos, NextToMultiplesOfAQuarterTurn) {
  for (int n = 1; n < 600'000; n += 7) {
    const auto x = static_cast<float>(n * 1.5707963267948966);
    ASSERT_LE(testing::ulps(fast_sin(x), sine(static_cast<double>(x))), 2.0) << n;
    ASSERT_LE(testing::ulps(fast_cos(x), cosine(static_cast<double>(x))), 2.0) << n;
  }
}

TEST(FastSincos, TensorsOfEveryKindOfNumber) {
  std::vector<float> values(300, 0.5F);  // more than a chunk
  const float large[] = {1048577.0F, 3e38F, -1e10F, std::numeric_limits<float>::infinity(),
                         std::numeric_limits<float>::quiet_NaN()};
  for (std::size_t i = 0; i < std::size(large); ++i) values[20 * i + 7] = large[i];
  const Tensor x = from_values(values, {300}).set_requires_grad();
  const Tensor y = sin(x);
  y.backward(ones_like(y));
  const std::vector<float> got = y.to_vector<float>();
  const std::vector<float> slope = x.grad().to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) {
      EXPECT_LE(testing::ulps(got[i], std::sin(static_cast<double>(values[i]))), 2.0) << values[i];
      EXPECT_LE(testing::ulps(slope[i], std::cos(static_cast<double>(values[i]))), 2.0) << values[i];
    } else {
      EXPECT_TRUE(std::isnan(got[i])) << values[i];
      EXPECT_TRUE(std::isnan(slope[i])) << values[i];
    }
  }
}

}  // namespace
}  // namespace gnn::kernels
