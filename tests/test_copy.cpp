#include "cases/copy.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/copy.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(CopyOp, cases::copy());

template <class To, class From>
std::vector<To> cast(const std::vector<From>& values, Device device) {
  const Tensor x = from_values(values, {static_cast<std::int64_t>(values.size())}, device);
  return to(x, dtype_of<To>).template to_vector<To>();
}

/// A floating format, by its definition: the value of a bit pattern as sign * mantissa * 2^exponent.
struct Format {
  int mantissa_bits;
  int exponent_bits;

  double value(std::uint32_t bits) const {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const auto mantissa = static_cast<double>(bits & ((1u << mantissa_bits) - 1));
    const auto exponent = static_cast<int>((bits >> mantissa_bits) & ((1u << exponent_bits) - 1));
    const double sign = (bits >> (mantissa_bits + exponent_bits)) != 0 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) {
      return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                           : sign * std::numeric_limits<double>::infinity();
    }
    if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * std::ldexp(std::ldexp(1.0, mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
  }
  std::uint32_t infinity() const { return ((1u << exponent_bits) - 1) << mantissa_bits; }
};
constexpr Format half_format{10, 5};
constexpr Format bfloat16_format{7, 8};

template <class H>
std::vector<H> all_patterns() {
  std::vector<H> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

template <class H, class Wide>
void check_all_patterns(const Format& format) {
  for (const Device device : test_devices()) {
    const std::vector<H> all = all_patterns<H>();
    const std::vector<Wide> wide = cast<Wide>(all, device);
    const std::vector<H> back = cast<H>(wide, device);
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const double want = format.value(i);
      const auto got = static_cast<double>(wide[i]);
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(got)) << i;
        ASSERT_TRUE(std::isnan(format.value(back[i].bits))) << i;
        ASSERT_EQ(std::signbit(got), i >= 32768) << i;
      } else {
        ASSERT_EQ(got, want) << i;
        ASSERT_EQ(std::signbit(got), i >= 32768) << i;
        ASSERT_EQ(back[i].bits, i) << device.to_string();
      }
    }
  }
}

TEST(CastHalf, AllPatternsToFloatAndBack) {
  check_all_patterns<Half, float>(half_format);
}
TEST(CastHalf, AllPatternsToDoubleAndBack) {
  check_all_patterns<Half, double>(half_format);
}
TEST(CastBFloat16, AllPatternsToFloatAndBack) {
  check_all_patterns<BFloat16, float>(bfloat16_format);
}
TEST(CastBFloat16, AllPatternsToDoubleAndBack) {
  check_all_patterns<BFloat16, double>(bfloat16_format);
}

/// Between each two neighbours of the format: the midpoint goes to the even one, the floats next to it to the
/// nearer. The neighbour of the largest finite value is infinity, as if it were the next power of two.
template <class H>
void check_rounding(const Format& format) {
  std::vector<float> inputs;
  std::vector<std::uint16_t> want;
  for (std::uint32_t low = 0; low < format.infinity(); ++low) {
    const std::uint32_t high = low + 1;
    const double above =
        high == format.infinity() ? 2 * format.value(low) - format.value(low - 1) : format.value(high);
    const double exact_middle = (format.value(low) + above) / 2;
    const auto middle = static_cast<float>(exact_middle);
    // Halfway between two bfloat16 needs one bit more than they have, which every float has.
    ASSERT_EQ(static_cast<double>(middle), exact_middle);
    for (const float sign : {1.0F, -1.0F}) {
      const std::uint32_t negative = sign < 0 ? 0x8000u : 0u;
      inputs.push_back(sign * middle);
      want.push_back(static_cast<std::uint16_t>(negative | (low % 2 == 0 ? low : high)));
      inputs.push_back(sign * std::nextafter(middle, 0.0F));
      want.push_back(static_cast<std::uint16_t>(negative | low));
      inputs.push_back(sign * std::nextafter(middle, std::numeric_limits<float>::infinity()));
      want.push_back(static_cast<std::uint16_t>(negative | high));
    }
  }
  for (const Device device : test_devices()) {
    const std::vector<H> got = cast<H>(inputs, device);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].bits, want[i]) << device.to_string() << ": " << inputs[i];
    }
  }
}

TEST(CastHalf, RoundsToNearestEven) {
  check_rounding<Half>(half_format);
}
TEST(CastBFloat16, RoundsToNearestEven) {
  check_rounding<BFloat16>(bfloat16_format);
}

float from_bits(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

TEST(CastHalf, OverflowUnderflowAndNan) {
  const std::vector<float> inputs = {65504,
                                     65519.996F,
                                     65520,
                                     1e30F,
                                     std::numeric_limits<float>::infinity(),
                                     -65520,
                                     0x1p-24F,
                                     0x1p-25F,
                                     0x1.000002p-25F,
                                     0x1.8p-24F,
                                     -0x1p-25F,
                                     1e-45F,
                                     from_bits(0x7f800001),
                                     from_bits(0x7fffffff),
                                     from_bits(0xffc00000)};
  const std::vector<std::uint16_t> want = {0x7bff, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0x0001, 0x0000,
                                           0x0001, 0x0002, 0x8000, 0x0000, 0x7e00, 0x7e00, 0xfe00};
  for (const Device device : test_devices()) {
    const std::vector<Half> got = cast<Half>(inputs, device);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].bits, want[i]) << inputs[i];
  }
}

TEST(CastBFloat16, OverflowUnderflowAndNan) {
  const std::vector<float> inputs = {std::numeric_limits<float>::max(),
                                     from_bits(0x7f7f7fff),
                                     from_bits(0x7f7f8000),
                                     std::numeric_limits<float>::infinity(),
                                     from_bits(0x00000001),
                                     from_bits(0x00008000),
                                     from_bits(0x00008001),
                                     from_bits(0x80018000),
                                     from_bits(0x7f800001),
                                     from_bits(0xffffffff)};
  const std::vector<std::uint16_t> want = {0x7f80, 0x7f7f, 0x7f80, 0x7f80, 0x0000,
                                           0x0000, 0x0001, 0x8002, 0x7fc0, 0xffff};
  for (const Device device : test_devices()) {
    const std::vector<BFloat16> got = cast<BFloat16>(inputs, device);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].bits, want[i]) << i;
  }
}

// Every pair of dtypes, with values that all of them hold, in sizes with and without a tail.
TEST(Cast, AllPairsOfDtypes) {
  const std::array dtypes{DType::float32, DType::float64, DType::float16, DType::bfloat16,
                          DType::int32,   DType::int64,   DType::uint8};
  for (const Device device : test_devices()) {
    for (const std::int64_t count : {0, 1, 31, 33, 1023}) {
      Array values = array({count});
      for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<double>(i % 129);
      for (const DType from : dtypes) {
        for (const DType target : dtypes) {
          const Tensor y = to(to_tensor(values, from, device), target);
          EXPECT_EQ(y.dtype(), target);
          EXPECT_EQ(y.to_doubles(), values.values) << name_of(from) << " to " << name_of(target);
        }
      }
    }
  }
}

TEST(Cast, FloatsToIntegersTruncateAndSaturate) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> inputs = {1.9, -1.9, 255.5, 256, 3e9, -3e9, 1e19, -1e19, nan, -0.5};
  const std::vector<float> floats(inputs.begin(), inputs.end());
  constexpr std::int32_t max32 = std::numeric_limits<std::int32_t>::max();
  constexpr std::int32_t min32 = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t max64 = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t min64 = std::numeric_limits<std::int64_t>::min();
  const std::vector<std::uint8_t> bytes = {1, 0, 255, 255, 255, 0, 255, 0, 0, 0};
  const std::vector<std::int32_t> ints = {1, -1, 255, 256, max32, min32, max32, min32, 0, 0};
  const std::vector<std::int64_t> longs = {1, -1, 255, 256, 3000000000, -3000000000, max64, min64, 0, 0};
  for (const Device device : test_devices()) {
    EXPECT_EQ(cast<std::uint8_t>(inputs, device), bytes);
    EXPECT_EQ(cast<std::uint8_t>(floats, device), bytes);
    EXPECT_EQ(cast<std::int32_t>(inputs, device), ints);
    EXPECT_EQ(cast<std::int32_t>(floats, device), ints);
    EXPECT_EQ(cast<std::int64_t>(inputs, device), longs);
    EXPECT_EQ(cast<std::int64_t>(floats, device), longs);
  }
}

TEST(Cast, IntegersWrapAndRound) {
  for (const Device device : test_devices()) {
    EXPECT_EQ(cast<std::uint8_t>(std::vector<std::int32_t>{256, -1, 511}, device),
              (std::vector<std::uint8_t>{0, 255, 255}));
    EXPECT_EQ(cast<std::int32_t>(std::vector<std::int64_t>{(std::int64_t{1} << 32) + 5}, device),
              std::vector<std::int32_t>{5});
    EXPECT_EQ(cast<float>(std::vector<std::int64_t>{(1 << 24) + 1, (1 << 24) + 3}, device),
              (std::vector<float>{16777216, 16777220}));
    EXPECT_EQ(cast<Half>(std::vector<std::int32_t>{2049}, device)[0].bits, 0x6800);  // 2048: a tie
  }
}

TEST(Cast, Errors) {
  Tensor y = zeros({3});
  EXPECT_THROW(kernels::run<kernels::Cast>(zeros({2}), y), ShapeError);
}

TEST(To, ReturnsTheSameTensorWhenThereIsNothingToDo) {
  const Tensor x = zeros({2});
  EXPECT_TRUE(to(x, DType::float32).is_same(x));
  EXPECT_TRUE(to(x, Device::cpu()).is_same(x));
  EXPECT_FALSE(clone(x).is_same(x));
}

TEST(To, GradientsComeBackInTheirOwnDtype) {
  for (const Device device : test_devices()) {
    Tensor x = from_values<float>({1, 2}, {2}, device);
    x.set_requires_grad();
    const Tensor y = to(x, DType::float16);
    EXPECT_TRUE(y.requires_grad());
    y.backward(to(from_values<float>({0.5F, 3}, {2}, device), DType::float16));
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0.5, 3}));
    EXPECT_FALSE(to(x, DType::int32).requires_grad());
  }
}

TEST(To, GradientsComeBackToTheirDevice) {
  for (const Device device : test_devices()) {
    Tensor x = from_values<float>({1, 2}, {2});
    x.set_requires_grad();
    const Tensor y = to(x, device);
    EXPECT_EQ(y.device(), device);
    y.backward(from_values<float>({3, 4}, {2}, device));
    EXPECT_EQ(x.grad().device(), Device::cpu());
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{3, 4}));
  }
}

TEST(Clone, HasMemoryOfItsOwn) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({1, 2}, {2}, device);
    Tensor y = clone(x);
    y.copy_from(zeros({2}, {.device = device}));
    EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 2}));
  }
}

}  // namespace
}  // namespace gnn::testing
