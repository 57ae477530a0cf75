#include "cases/conv2d_pool.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/fill.h"
#include "gnn/layers/max_pool2d.h"
#include "support/conv2d_sums.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(Conv2dPoolOp, cases::conv2d_pool());

struct Case {
  Shape x;
  std::int64_t out;
  Conv2dPoolOptions options;
};

// The CPU takes sums of products for these, Winograd's transforms for the next, with kernels of 5 x 5 and,
// where they have 16 channels, of 3 x 3.
const std::vector<Case> sum_cases{{{5, 4, 30, 31}, 6, {.stride = 2, .groups = 2}},
                                  {{3, 2, 9, 11}, 7, {.dilation = {1, 2}, .relu = true}},
                                  {{9, 20, 13, 12}, 50, {.stride = {1, 2}}},
                                  {{64, 5, 14, 14}, 8, {.relu = true}},
                                  {{31, 4, 9, 12}, 6, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2}}};
const std::vector<Case> winograd_cases{{{9, 20, 12, 12}, 50, {}},
                                       {{1, 64, 14, 14}, 64, {.padding = 1, .relu = true}},
                                       {{31, 17, 10, 12}, 9, {.padding = {1, 0}}},
                                       {{16, 16, 15, 24}, 10, {.relu = true}},
                                       {{64, 6, 14, 14}, 8, {.relu = true}},
                                       {{3, 7, 11, 14}, 9, {.padding = 1}},
                                       {{64, 32, 12, 13}, 24, {.groups = 2, .relu = true}}};

std::vector<Case> all_cases() {
  std::vector<Case> cases = sum_cases;
  cases.insert(cases.end(), winograd_cases.begin(), winograd_cases.end());
  return cases;
}

Tensor random_tensor(const Shape& shape, std::uint64_t seed, Device device = Device::cpu()) {
  return to_tensor({shape, random_values(shape.numel(), -1, 1, seed)}, DType::float32, device);
}

Tensor random_weight(const Case& c, std::int64_t kernel = 3) {
  return random_tensor({c.out, c.x[1] / c.options.groups, kernel, kernel}, 2);
}

Tensor separate(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dPoolOptions& options) {
  const Tensor full =
      conv2d(x, weight, bias, {options.stride, options.padding, options.dilation, options.groups});
  return max_pool2d(options.relu ? relu(full) : full, 2);
}

class Conv2dPool : public DeviceTest {};

TEST(Conv2dPoolCpu, ForwardIsBitwiseThatOfTheSeparateFunctions) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const Case& c : all_cases()) {
      const Tensor x = random_tensor(c.x, 1);
      const Tensor weight = random_weight(c, kernel);
      const Tensor bias = random_tensor({c.out}, 3);
      EXPECT_EQ(conv2d_pool(x, weight, bias, c.options).to_vector<float>(),
                separate(x, weight, bias, c.options).to_vector<float>())
          << c.x.to_string() << ", kernel " << kernel;
    }
  }
}

// Whatever lies beside it in a vector, and whichever way the batch's size chooses.
TEST(Conv2dPoolCpu, AnImagesResultDependsOnItAlone) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const Case& c : all_cases()) {
      const Tensor weight = random_weight(c, kernel);
      const std::vector<float> pixels = random_tensor(c.x, 1).to_vector<float>();
      const std::vector<float> all =
          conv2d_pool(from_values(pixels, c.x), weight, {}, c.options).to_vector<float>();
      const auto part = [&](const std::vector<float>& images, std::int64_t n) {
        const auto size = static_cast<std::ptrdiff_t>(images.size()) / c.x[0];
        return std::vector<float>(images.begin() + n * size, images.begin() + (n + 1) * size);
      };
      for (std::int64_t n = 0; n < c.x[0]; n += 4) {
        const Tensor x = from_values(part(pixels, n), {1, c.x[1], c.x[2], c.x[3]});
        EXPECT_EQ(conv2d_pool(x, weight, {}, c.options).to_vector<float>(), part(all, n))
            << c.x.to_string() << ", image " << n;
      }
    }
  }
}

// Transforms spread infinities and NaNs over a window, and overflow where a sum does not.
TEST(Conv2dPoolCpu, WhatIsNotFiniteStaysWhereItIs) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const std::int64_t kernel : {3, 5}) {
    for (const Case& c : winograd_cases) {
      const Tensor weight = random_weight(c, kernel);
      const std::vector<float> clean = random_tensor(c.x, 1).to_vector<float>();
      const auto pool = [&](const std::vector<float>& pixels, bool fused) {
        const Tensor x = from_values(pixels, c.x);
        if (fused) return conv2d_pool(x, weight, {}, c.options).to_vector<float>();
        const Tensor full = convolution_by_sums(
            x, weight, {c.options.stride, c.options.padding, c.options.dilation, c.options.groups});
        return max_pool2d(c.options.relu ? relu(full) : full, 2).to_vector<float>();
      };
      const std::vector<float> sums = pool(clean, false);
      const std::vector<float> transforms = pool(clean, true);
      for (const float special : {nan, inf, -inf}) {
        std::vector<float> pixels = clean;
        const std::size_t image = clean.size() / static_cast<std::size_t>(c.x[0]);
        pixels[image / 2] = special;
        pixels[clean.size() - image / 3] = special;
        const std::vector<float> expected = pool(pixels, false);
        const std::vector<float> result = pool(pixels, true);
        int touched = 0;
        for (std::size_t i = 0; i < result.size(); ++i) {
          const bool same = expected[i] == sums[i];  // the special pixels are not in its window
          if (same && result[i] == transforms[i]) continue;
          ++touched;
          EXPECT_TRUE(result[i] == expected[i] || (std::isnan(result[i]) && std::isnan(expected[i])))
              << special << " at " << i << ": " << result[i] << ", expected " << expected[i];
        }
        EXPECT_GT(touched, 0);
      }
      std::vector<float> large = clean;
      for (float& pixel : large) pixel *= 1e37F;
      const std::vector<float> expected = pool(large, false);
      const std::vector<float> result = pool(large, true);
      for (std::size_t i = 0; i < result.size(); ++i) {
        if (std::isfinite(expected[i])) {
          ASSERT_NEAR(result[i] / 1e37F, expected[i] / 1e37F, 1e-4F);
        }
      }
    }
  }
}

TEST_P(Conv2dPool, TiesNaNsAndReluAreThoseOfTheSeparateFunctions) {
  // A 1 x 1 kernel of 1 makes the convolution's result the image: windows with ties, with NaNs, with nothing
  // above 0, with infinities. With many channels, all other images 0, CUDA multiplies matrices.
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> pixels{1, 1, 0,  -1, nan, 2,   -1, -2, -inf, -inf, 3, 3,  //
                                  1, 1, -1, 0,  3,   nan, -3, -4, -inf, -inf, 3, inf};
  for (const std::int64_t channels : {1, 130}) {
    std::vector<float> image(static_cast<std::size_t>(channels * 24));
    std::copy(pixels.begin(), pixels.end(), image.begin());
    std::vector<float> kernel(static_cast<std::size_t>(channels * channels));
    for (std::int64_t o = 0; o < channels; ++o) kernel[static_cast<std::size_t>(o * channels)] = 1;
    const Tensor weight = from_values(kernel, {channels, channels, 1, 1}, device());
    std::vector<float> gradient(static_cast<std::size_t>(channels * 6));  // whole numbers: exact in any order
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = static_cast<float>(i % 7 + 1);
    const Tensor dy = from_values(gradient, {1, channels, 1, 6}, device());
    for (const bool with_relu : {false, true}) {
      const auto run = [&](bool fused) {
        Tensor x = from_values(image, {1, channels, 2, 12}, device()).set_requires_grad();
        const Tensor y = fused ? conv2d_pool(x, weight, {}, {.relu = with_relu})
                               : separate(x, weight, {}, {.relu = with_relu});
        y.backward(dy);
        std::vector<std::string> text;
        for (const Tensor& t : {y, x.grad()}) {
          for (const float value : t.to_vector<float>()) text.push_back(std::to_string(value));
        }
        return text;
      };
      EXPECT_EQ(run(true), run(false)) << channels << " channels, relu " << with_relu;
    }
  }
}

TEST_P(Conv2dPool, RowsOfAnyLength) {
  // The convolution's result is the image again, of so many channels that CUDA multiplies matrices: then the
  // passes over it are cut into tiles: of several planes or of rows of one, with a last row or column in no
  // window, of one pair of rows, or of some columns of it. Whole numbers: exact in any order.
  constexpr std::int64_t channels = 130;
  const auto whole_numbers = [](const Shape& shape, std::uint64_t seed) {
    Array result{shape, random_values(shape.numel(), -9, 9, seed)};
    for (double& value : result.values) value = std::round(value);
    return result;
  };
  Array identity = array({channels, channels, 1, 1});
  for (std::int64_t o = 0; o < channels; ++o) identity[o * (channels + 1)] = 1;
  const Array bias = whole_numbers({channels}, 1);
  for (const DType dtype : {DType::float32, DType::float64}) {
    const std::vector<Size2> wide = dtype == DType::float32 ? std::vector<Size2>{{2, 1001}, {2, 1025}}
                                                            : std::vector<Size2>{{2, 260}, {3, 515}};
    std::vector<Size2> sizes{2, 3, {3, 2}, {2, 13}, {8, 9}, 14, {29, 7}};
    sizes.insert(sizes.end(), wide.begin(), wide.end());
    for (const Size2 size : sizes) {
      const Array image = whole_numbers({1, channels, size.h, size.w}, 2);
      const Array dy = whole_numbers({1, channels, size.h / 2, size.w / 2}, 3);
      Array want_y = array(dy.shape);
      Array want_dx = array(image.shape);
      for (std::int64_t window = 0; window < dy.shape.numel(); ++window) {
        const std::int64_t row = window / (size.w / 2);
        const std::int64_t plane = row / (size.h / 2);
        const std::int64_t first =
            (plane * size.h + row % (size.h / 2) * 2) * size.w + window % (size.w / 2) * 2;
        std::int64_t best = first;
        for (const std::int64_t at : {first + 1, first + size.w, first + size.w + 1}) {
          if (image[at] > image[best]) best = at;
        }
        const double value = image[best] + bias[plane];
        want_y[window] = std::max(value, 0.0);
        if (value > 0) want_dx[best] = dy[window];
      }
      Tensor x = to_tensor(image, dtype, device()).set_requires_grad();
      const Tensor y = conv2d_pool(x, to_tensor(identity, dtype, device()), to_tensor(bias, dtype, device()),
                                   {.relu = true});
      y.backward(to_tensor(dy, dtype, device()));
      const std::string what = image.shape.to_string() + " " + std::string(name_of(dtype));
      EXPECT_EQ(to_array(y).values, want_y.values) << what;
      EXPECT_EQ(to_array(x.grad()).values, want_dx.values) << what;
    }
  }
}

TEST_P(Conv2dPool, OnlyTheGradientsThatAreNeeded) {
  const Tensor x = random_tensor({2, 1, 6, 6}, 1, device());
  Tensor weight = random_tensor({3, 1, 3, 3}, 2, device());
  Tensor bias = random_tensor({3}, 3, device()).set_requires_grad();
  const Tensor y = conv2d_pool(x, weight, bias);
  y.backward(random_tensor(y.shape(), 4, device()));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_TRUE(bias.grad().defined());
}

GNN_INSTANTIATE_FOR_DEVICES(Conv2dPool);

TEST(Conv2dPoolCpu, BitwiseTheSameForAnyNumberOfThreads) {
  const int before = num_threads();
  for (const Case& c : all_cases()) {
    const auto gradients = [&](int threads) {
      set_num_threads(threads);
      Tensor x = random_tensor(c.x, 1).set_requires_grad();
      Tensor weight = random_weight(c).set_requires_grad();
      Tensor bias = random_tensor({c.out}, 3).set_requires_grad();
      const Tensor y = conv2d_pool(x, weight, bias, c.options);
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

// Kernels have scratch memory for each thread of theirs: the caller's own threads must not count.
TEST(Conv2dPoolCpu, MayBeCalledInAParallelRegion) {
  const int before = num_threads();
  set_num_threads(1);
  constexpr int callers = 4;
  const auto compute = [](const Case& c) {
    return conv2d_pool(random_tensor(c.x, 1), random_weight(c), random_tensor({c.out}, 3), c.options)
        .to_vector<float>();
  };
  for (const Case& c : all_cases()) {
    const std::vector<float> alone = compute(c);
    std::vector<std::vector<float>> together(callers);
#pragma omp parallel for num_threads(callers)
    for (int i = 0; i < callers; ++i) together[static_cast<std::size_t>(i)] = compute(c);
    for (const auto& result : together) EXPECT_EQ(result, alone);
  }
  set_num_threads(before);
}

TEST(Conv2dPoolErrors, NameWhatWasExpected) {
  const std::string small = message_of([] { conv2d_pool(zeros({1, 1, 3, 5}), zeros({1, 1, 3, 3})); });
  EXPECT_NE(small.find("conv2d_pool: 2 x 2 windows do not fit"), std::string::npos) << small;
  const std::string channels = message_of([] { conv2d_pool(zeros({1, 2, 5, 5}), zeros({1, 1, 3, 3})); });
  EXPECT_NE(channels.find("conv2d_pool: expected input [N, C, H, W] or [C, H, W] with C = 1"),
            std::string::npos)
      << channels;
}

}  // namespace
}  // namespace gnn::testing
