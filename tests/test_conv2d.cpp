#include "cases/conv2d.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/conv2d.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/conv2d_pool.h"
#include "gnn/layers/views.h"
#include "support/conv2d_sums.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(Conv2dOp, cases::conv2d());

Tensor random_tensor(const Shape& shape, std::uint64_t seed) {
  return to_tensor({shape, random_values(shape.numel(), -1, 1, seed)}, DType::float32);
}

TEST(Conv2d, BitwiseTheSameForAnyNumberOfThreads) {
  const int before = num_threads();
  struct Case {
    Shape x;
    std::int64_t out;
    Conv2dFunctionOptions options;
  };
  for (const Case& c :
       {Case{{9, 20, 12, 12}, 50, {}}, Case{{1, 64, 14, 14}, 64, {.padding = 1}},
        Case{{9, 12, 12, 12}, 5, {.padding = 1}}, Case{{5, 4, 30, 31}, 6, {.stride = 2, .groups = 2}}}) {
    const auto gradients = [&](int threads) {
      set_num_threads(threads);
      Tensor x = random_tensor(c.x, 1).set_requires_grad();
      Tensor weight = random_tensor({c.out, c.x[1] / c.options.groups, 3, 3}, 2).set_requires_grad();
      Tensor bias = random_tensor({c.out}, 3).set_requires_grad();
      const Tensor y = conv2d(x, weight, bias, c.options);
      y.backward(random_tensor(y.shape(), 4));
      std::vector<std::vector<float>> all;
      for (const Tensor& t : {y, x.grad(), weight.grad(), bias.grad()}) all.push_back(t.to_vector<float>());
      return all;
    };
    const auto one = gradients(1);
    for (const int threads : {2, 3, 8}) EXPECT_EQ(gradients(threads), one) << threads << " threads";
  }
  set_num_threads(before);
}

/// What the CPU leaves to Winograd's transforms: y and the gradient of x, with kernels of 5 x 5 and, where
/// what is convolved has 16 channels, of 3 x 3.
struct TransformCase {
  Shape x;
  std::int64_t out;
  Conv2dFunctionOptions options;

  Tensor weight(std::int64_t kernel) const {
    return random_tensor({out, x[1] / options.groups, kernel, kernel}, 2);
  }
};
const std::vector<TransformCase> transform_cases{
    {{9, 20, 12, 12}, 50, {.padding = 1}},       {{2, 64, 15, 14}, 64, {.padding = 1}},
    {{31, 17, 12, 11}, 24, {.padding = {1, 2}}}, {{9, 6, 12, 13}, 20, {.padding = 1}},
    {{9, 24, 12, 12}, 8, {.padding = 2}},        {{5, 32, 12, 13}, 48, {.padding = 2, .groups = 2}}};

/// The weight of the convolution of dy that gives the gradient of x: channels exchanged, taps in reverse.
Tensor turned_weight(const Tensor& weight, std::int64_t groups) {
  const std::int64_t out = weight.size(0) / groups;
  const std::int64_t in = weight.size(1);
  const std::int64_t area = weight.size(2) * weight.size(3);
  const std::vector<float> from = weight.to_vector<float>();
  std::vector<float> to(from.size());
  for (std::int64_t o = 0; o < groups * out; ++o) {
    for (std::int64_t c = 0; c < in; ++c) {
      for (std::int64_t tap = 0; tap < area; ++tap) {
        to[static_cast<std::size_t>(((o / out * in + c) * out + o % out) * area + area - 1 - tap)] =
            from[static_cast<std::size_t>((o * in + c) * area + tap)];
      }
    }
  }
  return from_values(to, {groups * in, out, weight.size(2), weight.size(3)});
}

/// The two convolutions of a case: of x, and of a gradient of y.
enum class Direction { forward, backward };

Tensor signal(const TransformCase& c, std::int64_t kernel, Direction direction) {
  if (direction == Direction::forward) return random_tensor(c.x, 1);
  return random_tensor(conv2d(zeros(c.x), c.weight(kernel), {}, c.options).shape(), 3);
}

Tensor result(const TransformCase& c, const Tensor& weight, Direction direction, const Tensor& signal) {
  if (direction == Direction::forward) return conv2d(signal, weight, {}, c.options);
  Tensor x = zeros({signal.size(0), c.x[1], c.x[2], c.x[3]}, {.dtype = weight.dtype()}).set_requires_grad();
  conv2d(x, weight, {}, c.options).backward(signal);
  return x.grad();
}

std::vector<float> result_by_sums(const TransformCase& c, const Tensor& weight, Direction direction,
                                  const Tensor& signal) {
  if (direction == Direction::forward) {
    return convolution_by_sums(signal, weight, c.options).to_vector<float>();
  }
  const Size2 padding{weight.size(2) - 1 - c.options.padding.h, weight.size(3) - 1 - c.options.padding.w};
  return convolution_by_sums(signal, turned_weight(weight, c.options.groups),
                             {.padding = padding, .groups = c.options.groups})
      .to_vector<float>();
}

class Conv2dTransforms : public ::testing::TestWithParam<Direction> {};

Tensor to_float64(const Tensor& t) {
  const std::vector<float> values = t.to_vector<float>();
  return from_values(std::vector<double>(values.begin(), values.end()), t.shape());
}

double rms(const std::vector<double>& values) {
  return rms_difference(std::vector<float>(values.size()), values);
}

// Against float64: of 3 x 3 kernels as large as those of sums of products (measured: 0.7 to 1.0 times), of 5
// x 5 kernels up to six times that (4.1 to 6.3), for any number of channels; relative to the results' rms up
// to 2.3e-7 and 1.45e-6.
TEST_P(Conv2dTransforms, RoundNotMuchWorseThanSums) {
  const std::vector<std::int64_t> least_and_more{6, 8, 12, 16, 20, 64, 256};
  for (const std::int64_t kernel : {3, 5}) {
    for (const std::int64_t channels : least_and_more) {
      if (kernel == 3 && channels < 16) continue;
      const bool forward = GetParam() == Direction::forward;
      const TransformCase c{{16, forward ? channels : 24, 12, 12},
                            forward ? 24 : channels,
                            {.padding = forward ? 0 : kernel - 1}};  // sums of all terms
      const Tensor weight = c.weight(kernel);
      const Tensor from = signal(c, kernel, GetParam());
      const std::vector<double> exact =
          result(c, to_float64(weight), GetParam(), to_float64(from)).to_vector<double>();
      const double of_sums = rms_difference(result_by_sums(c, weight, GetParam(), from), exact);
      const double of_transforms =
          rms_difference(result(c, weight, GetParam(), from).to_vector<float>(), exact);
      EXPECT_LT(of_transforms, (kernel == 3 ? 1.2 : 6.6) * of_sums) << kernel << ", channels " << channels;
      EXPECT_LT(of_transforms, (kernel == 3 ? 2.5e-7 : 1.6e-6) * rms(exact)) << kernel << ", " << channels;
      EXPECT_NE(of_transforms, of_sums) << "no transforms for " << channels << " channels";
    }
  }
}

// Transforms spread infinities and NaNs over a window of results, and overflow where a sum does not.
TEST_P(Conv2dTransforms, WhatIsNotFiniteStaysWhereItIs) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const std::int64_t kernel : {3, 5}) {
    for (const TransformCase& c : transform_cases) {
      const Tensor weight = c.weight(kernel);
      const Tensor from = signal(c, kernel, GetParam());
      const std::vector<float> clean = from.to_vector<float>();
      for (const float special : {nan, inf, -inf}) {
        std::vector<float> values = clean;
        values[values.size() / 2] = special;
        values[values.size() - values.size() / 7] = special;
        const Tensor x = from_values(values, from.shape());
        const std::vector<float> expected = result_by_sums(c, weight, GetParam(), x);
        const std::vector<float> got = result(c, weight, GetParam(), x).to_vector<float>();
        int touched = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
          if (std::isfinite(expected[i])) {
            ASSERT_NEAR(got[i], expected[i], 1e-3F) << i;
            continue;
          }
          ++touched;
          EXPECT_TRUE(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])))
              << special << " at " << i << ": " << got[i] << ", expected " << expected[i];
        }
        EXPECT_GT(touched, 0);
      }
      std::vector<float> large = clean;
      for (float& value : large) value *= 1e37F;
      const Tensor x = from_values(large, from.shape());
      const std::vector<float> expected = result_by_sums(c, weight, GetParam(), x);
      const std::vector<float> got = result(c, weight, GetParam(), x).to_vector<float>();
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::isfinite(expected[i])) {
          ASSERT_NEAR(got[i] / 1e37F, expected[i] / 1e37F, 1e-4F) << i;
        }
      }
    }
  }
}

// Whatever lies beside it in a vector.
TEST_P(Conv2dTransforms, AnImagesResultDependsOnItAlone) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const TransformCase& c : transform_cases) {
      const Tensor weight = c.weight(kernel);
      const Tensor from = signal(c, kernel, GetParam());
      const std::vector<float> all = result(c, weight, GetParam(), from).to_vector<float>();
      const std::int64_t size = static_cast<std::int64_t>(all.size()) / c.x[0];
      for (std::int64_t n = 0; n < c.x[0]; n += 4) {
        EXPECT_EQ(result(c, weight, GetParam(), slice(from, n, n + 1)).to_vector<float>(),
                  std::vector<float>(all.begin() + n * size, all.begin() + (n + 1) * size))
            << c.x.to_string() << ", image " << n;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Directions, Conv2dTransforms,
                         ::testing::Values(Direction::forward, Direction::backward),
                         [](const auto& direction) {
                           return direction.param == Direction::forward ? "forward" : "backward";
                         });

/// The weight's gradient for filters [begin, end) of each group.
template <class T>
std::vector<T> weight_gradient(const TransformCase& c, std::int64_t kernel, const Tensor& x, const Tensor& dy,
                               std::int64_t begin, std::int64_t end) {
  const std::int64_t groups = c.options.groups;
  const std::int64_t channels = c.out / groups;
  const std::int64_t plane = dy.size(2) * dy.size(3);
  const std::vector<T> all = dy.to_vector<T>();
  std::vector<T> some;
  for (std::int64_t i = 0; i < dy.size(0) * groups; ++i) {
    const auto from = all.begin() + i * channels * plane;
    some.insert(some.end(), from + begin * plane, from + end * plane);
  }
  const std::int64_t out = groups * (end - begin);
  const Tensor weight =
      zeros({out, c.x[1] / groups, kernel, kernel}, {.dtype = dtype_of<T>}).set_requires_grad();
  conv2d(x, weight, {}, c.options).backward(from_values(some, {dy.size(0), out, dy.size(2), dy.size(3)}));
  return weight.grad().to_vector<T>();
}

template <class T>
std::vector<T> weight_gradient(const TransformCase& c, std::int64_t kernel, const Tensor& x,
                               const Tensor& dy) {
  return weight_gradient<T>(c, kernel, x, dy, 0, c.out / c.options.groups);
}

/// By sums of products: of so few filters at a time that none are left to transforms.
template <class T>
std::vector<T> weight_gradient_by_sums(const TransformCase& c, std::int64_t kernel, const Tensor& x,
                                       const Tensor& dy) {
  constexpr std::int64_t most = 4;
  const std::int64_t channels = c.out / c.options.groups;
  const std::int64_t filter = c.x[1] / c.options.groups * kernel * kernel;
  std::vector<T> all(static_cast<std::size_t>(c.out * filter));
  for (std::int64_t begin = 0; begin < channels; begin += most) {
    const std::int64_t end = std::min(begin + most, channels);
    const std::vector<T> some = weight_gradient<T>(c, kernel, x, dy, begin, end);
    const std::int64_t size = (end - begin) * filter;
    for (std::int64_t group = 0; group < c.options.groups; ++group) {
      std::copy_n(some.begin() + group * size, size, all.begin() + (group * channels + begin) * filter);
    }
  }
  return all;
}

// Batches in chunks with sums of their own and not, few and many channels, images of several bands of windows
// and several blocks of bands.
const std::vector<TransformCase> weight_cases{{{9, 20, 12, 12}, 50, {}},
                                              {{2, 64, 15, 14}, 64, {.padding = 1}},
                                              {{8, 16, 43, 40}, 33, {}},
                                              {{5, 32, 12, 13}, 48, {.padding = 2, .groups = 2}},
                                              {{31, 17, 12, 11}, 24, {.padding = {1, 2}}},
                                              {{3, 130, 30, 44}, 140, {.padding = 1}},
                                              {{1, 16, 7, 200}, 16, {.padding = {4, 0}}}};

TEST(Conv2dWeightTransforms, GiveWhatSumsGive) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const TransformCase& c : weight_cases) {
      const Tensor x = to_float64(random_tensor(c.x, 1));
      const Tensor dy = to_float64(signal(c, kernel, Direction::backward));
      const std::vector<double> expected = weight_gradient_by_sums<double>(c, kernel, x, dy);
      const std::vector<double> got = weight_gradient<double>(c, kernel, x, dy);
      const double scale = rms(expected);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], expected[i], 1e-12 * scale) << c.x.to_string() << ", " << kernel << ", at " << i;
      }
      EXPECT_NE(got, expected) << "no transforms for " << c.x.to_string();
    }
  }
}

// Against float64, as above: measured 1.0 to 1.25 for 3 x 3, 3.5 to 4.1 for 5 x 5.
TEST(Conv2dWeightTransforms, RoundAboutAsSumsDo) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const TransformCase& c : weight_cases) {
      const Tensor x = random_tensor(c.x, 1);
      const Tensor dy = signal(c, kernel, Direction::backward);
      const std::vector<double> exact = weight_gradient<double>(c, kernel, to_float64(x), to_float64(dy));
      const double of_sums = rms_difference(weight_gradient_by_sums<float>(c, kernel, x, dy), exact);
      const double of_transforms = rms_difference(weight_gradient<float>(c, kernel, x, dy), exact);
      EXPECT_LT(of_transforms / of_sums, kernel == 3 ? 1.35 : 4.4) << c.x.to_string() << ", " << kernel;
    }
  }
}

// A gradient that is not finite is computed by sums.
TEST(Conv2dWeightTransforms, WhatIsNotFiniteStaysWhereItIs) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const TransformCase& c : transform_cases) {
      const Tensor dy = signal(c, kernel, Direction::backward);
      const std::vector<float> clean = random_tensor(c.x, 1).to_vector<float>();
      for (const float special :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e38F}) {
        std::vector<float> values = clean;
        values[0] = special;  // a corner, which not all taps meet
        values[values.size() - values.size() / 7] = special;
        const Tensor x = from_values(values, c.x);
        const std::vector<float> expected = weight_gradient_by_sums<float>(c, kernel, x, dy);
        const std::vector<float> got = weight_gradient<float>(c, kernel, x, dy);
        for (std::size_t i = 0; i < got.size(); ++i) {
          EXPECT_TRUE(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])) ||
                      (std::isfinite(got[i]) && std::abs(got[i] - expected[i]) < 1e-4F * std::abs(special)))
              << special << " at " << i << ": " << got[i] << ", expected " << expected[i];
        }
      }
    }
  }
}

TEST(Conv2d, NoGradientForAnInputThatNeedsNone) {
  const Tensor x = random_tensor({2, 1, 6, 6}, 1);
  Tensor weight = random_tensor({3, 1, 3, 3}, 2).set_requires_grad();
  const Tensor y = conv2d(x, weight);
  y.backward(random_tensor(y.shape(), 3));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(weight.grad().defined());
}

TEST(Conv2d, OneImageIsABatchOfOne) {
  const auto run = [](const Shape& shape, const auto& op) {
    Tensor x = random_tensor(shape, 1).set_requires_grad();
    Tensor weight = random_tensor({3, 2, 3, 3}, 2).set_requires_grad();
    const Tensor y = op(x, weight);
    y.backward(reshape(random_tensor({y.numel()}, 3), y.shape()));
    const Shape& got = y.shape();
    return std::tuple(Shape{got.size(-3), got.size(-2), got.size(-1)}, got.dim(), y.to_vector<float>(),
                      x.grad().to_vector<float>(), weight.grad().to_vector<float>(), x.grad().shape());
  };
  const auto compare = [&](const auto& op) {
    const auto [shape, dim, y, dx, dweight, dx_shape] = run({2, 6, 7}, op);
    const auto [batch_shape, batch_dim, batch_y, batch_dx, batch_dweight, batch_dx_shape] =
        run({1, 2, 6, 7}, op);
    EXPECT_EQ(shape, batch_shape);
    EXPECT_EQ(dim, 3U);
    EXPECT_EQ(batch_dim, 4U);
    EXPECT_EQ(y, batch_y);
    EXPECT_EQ(dx, batch_dx);
    EXPECT_EQ(dweight, batch_dweight);
    EXPECT_EQ(dx_shape, (Shape{2, 6, 7}));
  };
  compare([](const Tensor& x, const Tensor& weight) { return conv2d(x, weight); });
  compare([](const Tensor& x, const Tensor& weight) { return conv2d_pool(x, weight); });
}

TEST(Conv2d, LayerHasPyTorchsParameters) {
  Conv2d layer(4, 6, {3, 2}, {.stride = 2, .padding = {1, 0}, .groups = 2});
  ASSERT_EQ(layer.named_parameters().size(), 2U);
  EXPECT_EQ(layer.named_parameters()[0].name, "weight");
  EXPECT_EQ(layer.weight.shape(), (Shape{6, 2, 3, 2}));
  EXPECT_EQ(layer.bias.shape(), Shape{6});
  EXPECT_EQ(layer.describe(), "4, 6, kernel_size=(3, 2), stride=2, padding=(1, 0), groups=2");
  EXPECT_EQ(layer(zeros({1, 4, 7, 8})).shape(), (Shape{1, 6, 4, 4}));
  EXPECT_EQ(Conv2d(1, 20, 5).flops({1, 1, 28, 28}, {1, 20, 24, 24}), 20 * 24 * 24 * 51);
  EXPECT_EQ(Conv2d(1, 2, 3, {.bias = false}).parameters().size(), 1U);

  const double bound = 1 / std::sqrt(25.0 * 4);
  double largest = 0;
  for (const double value : Conv2d(4, 50, 5).weight.to_doubles())
    largest = std::max(largest, std::fabs(value));
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
}

TEST(Conv2d, ErrorsSayWhatWasExpected) {
  const Tensor weight = zeros({50, 20, 5, 5});
  EXPECT_EQ(message_of([&] {
              conv2d(zeros({64, 10, 8, 8}), weight);
            }),
            "conv2d: expected input [N, C, H, W] or [C, H, W] with C = 20 for weight [50, 20, 5, 5] and "
            "groups = 1, got [64, 10, 8, 8]");
  EXPECT_EQ(message_of([&] {
              conv2d(zeros({64, 20, 8, 3}), weight);
            }),
            "conv2d: a kernel of 5 with dilation 1 does not fit into 3 pixels with padding 0 (input [64, 20, "
            "8, 3], "
            "weight [50, 20, 5, 5])");
  EXPECT_EQ(
      message_of([] {
        conv2d(zeros({1, 4, 8, 8}), zeros({5, 2, 3, 3}), {}, {.groups = 2});
      }),
      "conv2d: expected weight [O, C / groups, kh, kw] with O divisible by groups = 2, got [5, 2, 3, 3]");
  EXPECT_EQ(message_of([&] {
              conv2d(zeros({1, 20, 8, 8}), weight, zeros({20}));
            }),
            "conv2d: expected bias [50] for weight [50, 20, 5, 5], got [20]");
  EXPECT_EQ(message_of([] { Conv2d(3, 8, 3, {.groups = 2}); }),
            "Conv2d: groups = 2 does not divide the channels 3 and 8");
  EXPECT_THROW(conv2d(zeros({10, 8, 8}), weight), ShapeError);
  EXPECT_THROW(conv2d(zeros({20, 8}), weight), ShapeError);
  EXPECT_THROW(conv2d(zeros({1, 1, 20, 8, 8}), weight), ShapeError);
  EXPECT_THROW(conv2d(zeros({1, 20, 8, 8}), zeros({50, 20, 25})), ShapeError);
  EXPECT_THROW(conv2d(zeros({1, 20, 8, 8}), weight, {}, {.stride = {1, 0}}), ValueError);
  EXPECT_THROW(conv2d(zeros({1, 20, 8, 8}), weight, {}, {.padding = -1}), ValueError);
  EXPECT_THROW(conv2d(zeros({1, 20, 8, 8}), weight, {}, {.dilation = 0}), ValueError);
  EXPECT_THROW(conv2d(zeros({1, 20, 8, 8}), weight, {}, {.groups = 0}), ValueError);
  EXPECT_THROW(conv2d(zeros({1, 20, 8, 8}, {.dtype = DType::float64}), weight), DTypeError);
  EXPECT_THROW(Conv2d(0, 8, 3), ValueError);
  EXPECT_THROW(Conv2d(1, 8, 0), ValueError);
}

TEST(Conv2d, KernelsCheckTheirShapes) {
  const Tensor x = zeros({2, 3, 8, 8});
  const Tensor weight = zeros({4, 3, 3, 3});
  Tensor wrong = zeros({2, 4, 7, 6});
  EXPECT_THROW(kernels::run<kernels::Conv2dForward>(x, weight, Tensor(), wrong, kernels::Conv2dParameters{}),
               ShapeError);
}

}  // namespace
}  // namespace gnn::testing
