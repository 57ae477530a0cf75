#include "cases/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/random.h"
#include "gnn/kernels/random_math.h"
#include "gnn/kernels/run.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(RandomOp, cases::random());

TEST(Random, BitsAreTheWordsOfThePhiloxSequence) {
  for (const Device device : test_devices()) {
    for (const std::int64_t count : {0, 1, 4, 31, 1023}) {
      Tensor bits = empty({count}, {DType::int32, device});
      kernels::run<kernels::RandomBits>(bits, GeneratorState{99, 5});
      const std::vector<std::int32_t> got = bits.to_vector<std::int32_t>();
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(static_cast<std::uint32_t>(got[i]), philox_block(99, 5 + i / 4).word[i % 4])
            << device.to_string() << " " << i;
      }
    }
  }
}

/// Makes `count` numbers on `device` into memory that starts `shift` elements into a block.
template <class Kernel>
std::vector<double> draw(DType dtype, Device device, std::int64_t count, std::int64_t shift, double a,
                         double b) {
  const Tensor memory = zeros({count + shift}, {dtype, device});
  Tensor y = memory.alias({count}, shift);
  kernels::run<Kernel>(y, GeneratorState{3, 14}, a, b);
  return y.to_doubles();
}

TEST(Random, DevicesGiveTheSameBits) {
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      const Device cpu = Device::cpu();
      EXPECT_EQ(draw<kernels::Uniform>(dtype, device, 4001, 0, -0.3, 1.7),
                draw<kernels::Uniform>(dtype, cpu, 4001, 0, -0.3, 1.7));
      EXPECT_EQ(draw<kernels::Normal>(dtype, device, 4001, 0, 0.1, 0.7),
                draw<kernels::Normal>(dtype, cpu, 4001, 0, 0.1, 0.7));
    }
  }
}

TEST(Random, AlignmentDoesNotMatter) {
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      const std::vector<double> want = draw<kernels::Uniform>(dtype, device, 1023, 0, 0, 1);
      for (const std::int64_t shift : {1, 2, 3})
        EXPECT_EQ(draw<kernels::Uniform>(dtype, device, 1023, shift, 0, 1), want) << device.to_string();
    }
  }
}

TEST(Random, NumberOfThreadsDoesNotMatter) {
  const int threads = num_threads();
  std::vector<std::vector<double>> results;
  for (const int n : {1, 2, 3}) {
    set_num_threads(n);
    results.push_back(draw<kernels::Normal>(DType::float32, Device::cpu(), 100000, 0, 0, 1));
  }
  set_num_threads(threads);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

// Two fills in a row are the same numbers as one fill of whole blocks.
TEST(Random, EachUseTakesTheNextNumbers) {
  for (const Device device : test_devices()) {
    Generator generator(21);
    const std::vector<float> all = rand({40}, {.device = device}, &generator).to_vector<float>();
    generator.manual_seed(21);
    std::vector<float> parts = rand({5, 4}, {.device = device}, &generator).to_vector<float>();
    const std::vector<float> second = rand({20}, {.device = device}, &generator).to_vector<float>();
    parts.insert(parts.end(), second.begin(), second.end());
    EXPECT_EQ(parts, all) << device.to_string();
    EXPECT_EQ(generator.offset(), 10U);
  }
}

TEST(Random, SeedsOfTheDefaultGeneratorRepeat) {
  manual_seed(5);
  const std::vector<float> first = randn({100}).to_vector<float>();
  const std::vector<float> second = randn({100}).to_vector<float>();
  manual_seed(5);
  EXPECT_EQ(randn({100}).to_vector<float>(), first);
  EXPECT_NE(second, first);
}

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

Moments moments(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  Moments m;
  for (const double v : values) m.mean += v / n;
  for (const double v : values) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    m.skewness += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  return m;
}

// With 2^20 numbers the standard errors are 1, 1.4, 2.4 and 9.8 thousandths for the normal distribution's
// first four central moments, and 0.28, 0.07 thousandths for the uniform one's first two: the bounds are 5 of
// them.
TEST(Random, MomentsAreThoseOfTheDistributions) {
  Generator generator(1);
  for (const DType dtype : {DType::float32, DType::float64}) {
    const Moments normal = moments(randn({1 << 20}, {.dtype = dtype}, &generator).to_doubles());
    EXPECT_NEAR(normal.mean, 0, 5e-3);
    EXPECT_NEAR(normal.variance, 1, 7e-3);
    EXPECT_NEAR(normal.skewness, 0, 19e-3);
    EXPECT_NEAR(normal.kurtosis, 3, 48e-3);
    const std::vector<double> values = rand({1 << 20}, {.dtype = dtype}, &generator).to_doubles();
    const Moments uniform = moments(values);
    EXPECT_NEAR(uniform.mean, 0.5, 1.4e-3);
    EXPECT_NEAR(uniform.variance, 1.0 / 12, 3.7e-4);
    EXPECT_GE(*std::min_element(values.begin(), values.end()), 0);
    EXPECT_LT(*std::max_element(values.begin(), values.end()), 1);
  }
}

// The functions that both devices share, against the C++ library's: the whole range, including the ends.
TEST(Random, PortableMathIsAccurate) {
  for (int i = 0; i < 200000; ++i) {
    const float u = static_cast<float>((i + 1) / 200000.0);
    const double x = (i + 1) / 200000.0;
    ASSERT_NEAR(kernels::portable_log(u), std::log(static_cast<double>(u)),
                3e-7 * std::fabs(std::log(static_cast<double>(u))));
    ASSERT_NEAR(kernels::portable_log(x), std::log(x), 6e-16 * std::fabs(std::log(x)));
    const double v = i / 200000.0;
    const double pi = std::acos(-1.0);
    const kernels::SinCos<double> got = kernels::portable_sincos_turns(v);
    ASSERT_NEAR(got.sin, std::sin(2 * pi * v), 1.2e-15);  // mostly the reference's own 2 pi v
    ASSERT_NEAR(got.cos, std::cos(2 * pi * v), 1.2e-15);
    const auto w = static_cast<float>(v);
    const kernels::SinCos<float> single = kernels::portable_sincos_turns(w);
    ASSERT_NEAR(single.sin, std::sin(2 * pi * static_cast<double>(w)), 1.5e-7);
    ASSERT_NEAR(single.cos, std::cos(2 * pi * static_cast<double>(w)), 1.5e-7);
  }
  EXPECT_EQ(kernels::portable_log(1.0F), 0.0F);
  EXPECT_NEAR(kernels::portable_log(0x1p-33F), -33 * std::log(2.0), 2e-6);
  EXPECT_NEAR(kernels::portable_log(0x1p-53), -53 * std::log(2.0), 1e-14);
}

TEST(Random, UniformNeverReachesItsUpperEnd) {
  const float low = 1.0F;
  const float high = std::nextafter(1.0F, 2.0F);  // every other number rounds up
  const std::vector<float> values = uniform({1000}, low, high).to_vector<float>();
  for (const float value : values) ASSERT_EQ(value, low);
  EXPECT_EQ(uniform({2}, 3, 3).to_vector<float>(), (std::vector<float>{3, 3}));
}

TEST(Random, ErrorsNameTheFunction) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(uniform({1}, 2, 1), ValueError);
  EXPECT_THROW(uniform({1}, 0, infinity), ValueError);
  EXPECT_THROW(uniform({1}, std::nan(""), 1), ValueError);
  EXPECT_THROW(normal({1}, 0, -1), ValueError);
  EXPECT_THROW(normal({1}, std::nan(""), 1), ValueError);
  try {
    rand({1}, {.dtype = DType::int64});
    FAIL() << "rand took int64";
  } catch (const DTypeError& error) {
    EXPECT_STREQ(error.what(), "rand: expected float32 or float64, got int64");
  }
}

}  // namespace
}  // namespace gnn::testing
