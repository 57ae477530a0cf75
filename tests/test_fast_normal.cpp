#include "gnn/kernels/fast_normal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/ulps.h"

namespace gnn::kernels {
namespace {

using testing::worst_ulps;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

TEST(FastNormal, CumulativeAndBell) {
  const auto cumulative = [](double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); };
  const auto bell = [](double x) { return std::exp(-0.5 * x * x); };
  // Normal results; the tail is below them from -13.
  EXPECT_LE(worst_ulps([](float x) { return fast_normal(x).cumulative; }, cumulative, -12.9, 9), 4.0);
  EXPECT_LE(worst_ulps([](float x) { return fast_normal(x).bell; }, bell, -13.2, 13.2), 3.0);
  for (double x = -16; x < -12.9; x += 0.001) {
    const auto value = static_cast<float>(x);
    EXPECT_NEAR(fast_normal(value).cumulative, cumulative(static_cast<double>(value)), 2e-42) << x;
  }
}

TEST(FastNormal, WhatIsNotFinite) {
  EXPECT_EQ(fast_normal(0.0F).cumulative, 0.5F);
  EXPECT_EQ(fast_normal(0.0F).bell, 1.0F);
  EXPECT_EQ(fast_normal(-infinity).cumulative, 0.0F);
  EXPECT_EQ(fast_normal(infinity).cumulative, 1.0F);
  EXPECT_EQ(fast_normal(infinity).bell, 0.0F);
  EXPECT_TRUE(std::isnan(fast_normal(nan).cumulative));
  EXPECT_TRUE(std::isnan(fast_normal(nan).bell));
}

}  // namespace
}  // namespace gnn::kernels
