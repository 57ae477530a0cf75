#include "cases/fill.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(FillOp, cases::fill());

template <class T>
std::vector<T> filled(double value, Device device) {
  return full({3}, value, {.dtype = dtype_of<T>, .device = device}).template to_vector<T>();
}

TEST(Fill, IntegersTruncateAndSaturate) {
  constexpr double huge = 1e30;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Device device : test_devices()) {
    EXPECT_EQ(filled<std::int32_t>(-2.9, device), std::vector<std::int32_t>(3, -2));
    EXPECT_EQ(filled<std::int32_t>(huge, device), std::vector<std::int32_t>(3, 2147483647));
    EXPECT_EQ(filled<std::int64_t>(-huge, device),
              std::vector<std::int64_t>(3, std::numeric_limits<std::int64_t>::min()));
    EXPECT_EQ(filled<std::int64_t>(0x1p62, device), std::vector<std::int64_t>(3, std::int64_t{1} << 62));
    EXPECT_EQ(filled<std::uint8_t>(255.9, device), std::vector<std::uint8_t>(3, 255));
    EXPECT_EQ(filled<std::uint8_t>(256, device), std::vector<std::uint8_t>(3, 255));
    EXPECT_EQ(filled<std::uint8_t>(-1, device), std::vector<std::uint8_t>(3, 0));
    EXPECT_EQ(filled<std::uint8_t>(nan, device), std::vector<std::uint8_t>(3, 0));
  }
}

TEST(Fill, HalfTypesRound) {
  for (const Device device : test_devices()) {
    EXPECT_EQ(filled<Half>(65519, device)[1].bits, 0x7bff);  // the largest finite
    EXPECT_EQ(filled<Half>(65520, device)[1].bits, 0x7c00);  // a tie with infinity
    EXPECT_EQ(filled<BFloat16>(1, device)[2].bits, 0x3f80);
  }
}

// An odd offset: no address of the view is aligned for vector stores, and what lies around it stays.
TEST(Fill, UnalignedViewsKeepTheirNeighbours) {
  for (const Device device : test_devices()) {
    for (std::int64_t offset = 0; offset < 5; ++offset) {
      for (const std::int64_t count : {0, 1, 2, 3, 4, 5, 9, 100}) {
        Tensor memory = zeros({120}, {.dtype = DType::uint8, .device = device});
        Tensor view = memory.alias({count}, offset);
        fill(view, 7);
        const std::vector<std::uint8_t> got = memory.to_vector<std::uint8_t>();
        for (std::int64_t i = 0; i < 120; ++i) {
          const bool inside = i >= offset && i < offset + count;
          ASSERT_EQ(got[static_cast<std::size_t>(i)], inside ? 7 : 0) << offset << " " << count << " " << i;
        }
      }
    }
  }
}

TEST(Fill, CountsAsAnInPlaceChange) {
  Tensor x = zeros({2});
  const std::uint64_t before = x.version();
  fill(x, 1);
  EXPECT_GT(x.version(), before);
}

TEST(Fill, OnesAndLikes) {
  for (const Device device : test_devices()) {
    const Tensor y = ones({2, 2}, {.dtype = DType::float64, .device = device});
    EXPECT_EQ(y.to_vector<double>(), std::vector<double>(4, 1));
    EXPECT_EQ(ones_like(y).dtype(), DType::float64);
    EXPECT_EQ(full_like(y, 3).device(), device);
  }
}

TEST(Arange, CountsAndSteps) {
  for (const Device device : test_devices()) {
    EXPECT_EQ(arange(5, device).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(arange(0, device).numel(), 0);
    EXPECT_EQ(arange(1, 2, 0.25, {.device = device}).to_vector<float>(),
              (std::vector<float>{1, 1.25F, 1.5F, 1.75F}));
    EXPECT_EQ(arange(3, 0, -1, {.device = device}).to_vector<float>(), (std::vector<float>{3, 2, 1}));
    EXPECT_EQ(arange(2, 2).numel(), 0);
    const std::vector<double> tenths =
        arange(0, 102.3, 0.1, {.dtype = DType::float64, .device = device}).to_vector<double>();
    ASSERT_EQ(tenths.size(), 1023U);
    for (std::size_t i = 0; i < tenths.size(); ++i) {
      ASSERT_EQ(tenths[i], std::fma(static_cast<double>(i), 0.1, 0.0)) << i;
    }
  }
}

TEST(Arange, Errors) {
  EXPECT_THROW(arange(0, 1, 0), ValueError);
  EXPECT_THROW(arange(0, 1, -1), ValueError);
  EXPECT_THROW(arange(0, std::numeric_limits<double>::infinity(), 1), ValueError);
  EXPECT_THROW(arange(0, 1e300, 1e-3), ValueError);
  EXPECT_THROW(arange(-1), ValueError);
}

}  // namespace
}  // namespace gnn::testing
