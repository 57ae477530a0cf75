#include "cases/max_pool2d.h"

#include <cmath>
#include <limits>

#include "gnn/autograd/tape.h"
#include "gnn/core/error.h"
#include "gnn/kernels/max_pool2d.h"
#include "gnn/kernels/run.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

GNN_TEST_OP(MaxPool2dOp, cases::max_pool2d());

struct Pooled {
  std::vector<float> y;
  std::vector<float> gradient;  // of the sum of all outputs
};

/// Pools one plane of `width` pixels per row on `device`.
Pooled pool(const std::vector<float>& pixels, std::int64_t width, Size2 kernel,
            const MaxPool2dOptions& options, Device device) {
  const auto height = static_cast<std::int64_t>(pixels.size()) / width;
  Tensor x = from_values(pixels, {1, height, width}, device);
  x.set_requires_grad();
  const Tensor y = max_pool2d(x, kernel, options);
  const std::vector<float> ones(static_cast<std::size_t>(y.numel()), 1.0F);
  y.backward(from_values(ones, y.shape(), device));
  return {y.to_vector<float>(), x.grad().to_vector<float>()};
}

TEST(MaxPool2d, UniqueMaximumGetsAGradientOfExactlyOne) {
  for (const Device device : test_devices()) {
    const Pooled got = pool({1, 5, 2, 0,    //
                             3, 4, 7, 6,    //
                             9, 8, -1, -4,  //
                             0, 1, -3, -2},
                            4, 2, {}, device);
    EXPECT_EQ(got.y, (std::vector<float>{5, 7, 9, -1})) << device.to_string();
    EXPECT_EQ(got.gradient, (std::vector<float>{0, 1, 0, 0,  //
                                                0, 0, 1, 0,  //
                                                1, 0, 1, 0,  //
                                                0, 0, 0, 0}));
  }
}

// Both the special code for 2x2 windows and the general code.
TEST(MaxPool2d, TiesGoToTheFirstInRowMajorOrder) {
  for (const Device device : test_devices()) {
    const Pooled pairs = pool({3, 3, 1, 2,  //
                               3, 3, 2, 2},
                              4, 2, {}, device);
    EXPECT_EQ(pairs.gradient, (std::vector<float>{1, 0, 0, 1,  //
                                                  0, 0, 0, 0}))
        << device.to_string();
    const Pooled general = pool({0, 0, 0,  //
                                 0, 4, 4,  //
                                 4, 4, 4},
                                3, 3, {}, device);
    EXPECT_EQ(general.gradient, (std::vector<float>{0, 0, 0,  //
                                                    0, 1, 0,  //
                                                    0, 0, 0}));
    const Pooled zeros = pool({0.0F, -0.0F, -0.0F, 0.0F}, 2, 2, {}, device);  // 0 and -0 are equal
    EXPECT_EQ(zeros.gradient, (std::vector<float>{1, 0, 0, 0}));
  }
}

TEST(MaxPool2d, OverlappingWindowsAddTheirGradients) {
  for (const Device device : test_devices()) {
    const Pooled got = pool({0, 1, 2,  //
                             3, 9, 4,  //
                             5, 6, 7},
                            3, 2, {.stride = 1}, device);
    EXPECT_EQ(got.y, (std::vector<float>{9, 9, 9, 9})) << device.to_string();
    EXPECT_EQ(got.gradient, (std::vector<float>{0, 0, 0, 0, 4, 0, 0, 0, 0}));
  }
}

TEST(MaxPool2d, SkippedPixelsGetNoGradient) {
  for (const Device device : test_devices()) {
    const Pooled got = pool({1, 2, 9, 3, 4, 9, 5}, 7, {1, 2}, {.stride = Size2(1, 3)}, device);
    EXPECT_EQ(got.y, (std::vector<float>{2, 4})) << device.to_string();
    EXPECT_EQ(got.gradient, (std::vector<float>{0, 1, 0, 0, 1, 0, 0}));
  }
}

TEST(MaxPool2d, TheFirstNanWins) {
  for (const Device device : test_devices()) {
    for (const std::int64_t stride : {2, 3}) {  // the special code and the general code
      const Pooled got = pool({1, nan, nan, infinity}, 2, 2, {.stride = stride}, device);
      EXPECT_TRUE(std::isnan(got.y[0])) << device.to_string();
      EXPECT_EQ(got.gradient, (std::vector<float>{0, 1, 0, 0}));
      const Pooled last = pool({1, 2, 3, nan}, 2, 2, {.stride = stride}, device);
      EXPECT_TRUE(std::isnan(last.y[0]));
      EXPECT_EQ(last.gradient, (std::vector<float>{0, 0, 0, 1}));
      const Pooled first = pool({nan, 2, 3, 4}, 2, 2, {.stride = stride}, device);
      EXPECT_TRUE(std::isnan(first.y[0]));
      EXPECT_EQ(first.gradient, (std::vector<float>{1, 0, 0, 0}));
    }
  }
}

TEST(MaxPool2d, PaddingNeverWinsOverNegativePixels) {
  for (const Device device : test_devices()) {
    const Pooled got = pool({-5, -6, -7,  //
                             -8, -9, -1,  //
                             -2, -3, -4},
                            3, 2, {.padding = 1}, device);
    EXPECT_EQ(got.y, (std::vector<float>{-5, -6, -2, -1})) << device.to_string();
    EXPECT_EQ(got.gradient, (std::vector<float>{1, 1, 0,  //
                                                0, 0, 1,  //
                                                1, 0, 0}));
  }
}

TEST(MaxPool2d, NegativeInfinityIsAPixelLikeAnyOther) {
  for (const Device device : test_devices()) {
    for (const std::int64_t stride : {2, 3}) {
      const Pooled got = pool({-infinity, -infinity, -infinity, -infinity}, 2, 2, {.stride = stride}, device);
      EXPECT_EQ(got.y, (std::vector<float>{-infinity})) << device.to_string();
      EXPECT_EQ(got.gradient, (std::vector<float>{1, 0, 0, 0}));
    }
  }
}

TEST(MaxPool2d, WindowInThePaddingHasNoMaximum) {
  for (const Device device : test_devices()) {
    // The taps of the two windows are in rows -2 and 1, -1 and 2: there is row 0 alone.
    const Pooled got = pool({4}, 1, {2, 1}, {.stride = 1, .padding = {2, 0}, .dilation = {3, 1}}, device);
    EXPECT_EQ(got.y, (std::vector<float>{-infinity, -infinity})) << device.to_string();
    EXPECT_EQ(got.gradient, (std::vector<float>{0}));
  }
}

TEST(MaxPool2d, ArgmaxIsTheIndexWithinThePlane) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({1, 2, 4, 3, 8, 7, 5, 6}, {2, 2, 2}, device);
    Tensor y = empty({2, 1, 1}, {.device = device});
    Tensor argmax = empty({2, 1, 1}, {DType::int32, device});
    kernels::run<kernels::MaxPool2dForward>(x, kernels::PoolWindow{.size = 2, .stride = 2}, y, argmax);
    EXPECT_EQ(argmax.to_vector<std::int32_t>(), (std::vector<std::int32_t>{2, 0})) << device.to_string();
  }
}

// Pixels at an odd offset into their memory cannot be read two at a time.
TEST(MaxPool2d, UnalignedViews) {
  for (const Device device : test_devices()) {
    const Tensor memory = from_values<float>({99, 1, 5, 2, 0, 3, 4, 7, 6}, {9}, device);
    Tensor x = memory.alias({1, 2, 4}, 1);
    x.set_requires_grad();
    const Tensor y = max_pool2d(x, 2);
    EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{5, 7})) << device.to_string();
    y.backward(from_values<float>({1, 10}, {1, 1, 2}, device));
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 1, 0, 0, 0, 0, 10, 0}));
  }
}

TEST(MaxPool2d, EvaluationGivesTheSameMaxima) {
  for (const Device device : test_devices()) {
    const OpCase lenet = cases::max_pool2d()[3];
    const std::vector<Array> arrays = make_inputs(lenet, DType::float32);
    const Tensor recorded = lenet.op(to_tensors(lenet, arrays, DType::float32, device, true));
    const Tensor plain = lenet.op(to_tensors(lenet, arrays, DType::float32, device, false));
    EXPECT_TRUE(recorded.requires_grad());
    EXPECT_FALSE(plain.requires_grad());
    EXPECT_EQ(recorded.to_vector<float>(), plain.to_vector<float>());
  }
}

TEST(MaxPool2d, ModuleDescribesItself) {
  MaxPool2d layer(3, {.stride = 2, .padding = {1, 0}});
  EXPECT_EQ(layer.describe(), "kernel_size=3, stride=2, padding=(1, 0)");
  EXPECT_EQ(layer(zeros({2, 3, 9, 9})).shape(), (Shape{2, 3, 5, 4}));
  EXPECT_EQ(layer.flops({2, 3, 9, 9}, {2, 3, 5, 4}), 2 * 3 * 5 * 4 * 8);
  EXPECT_EQ(MaxPool2d(2, 2)(zeros({1, 4, 4})).shape(), (Shape{1, 2, 2}));
}

TEST(MaxPool2d, ErrorsSayWhatWasExpected) {
  const Tensor x = zeros({1, 2, 4, 4});
  try {
    max_pool2d(zeros({4, 4}), 2);
    FAIL() << "max_pool2d took two dimensions";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "max_pool2d: expected input [N, C, H, W] or [C, H, W], got [4, 4]");
  }
  EXPECT_THROW(max_pool2d(x, 5), ShapeError);
  EXPECT_THROW(max_pool2d(zeros({1, 2, 0, 4}), 1), ShapeError);
  EXPECT_THROW(max_pool2d(x, 0), ValueError);
  EXPECT_THROW(max_pool2d(x, 2, {.stride = 0}), ValueError);
  EXPECT_THROW(max_pool2d(x, 2, {.padding = -1}), ValueError);
  EXPECT_THROW(max_pool2d(x, 2, {.padding = 2}), ValueError);  // more than half the kernel
  EXPECT_THROW(max_pool2d(x, 2, {.dilation = 0}), ValueError);
  EXPECT_THROW(max_pool2d(from_values<std::int64_t>({1}, {1, 1, 1}), 1), DTypeError);
  EXPECT_THROW(max_pool2d(Tensor(), 2), ValueError);
}

}  // namespace
}  // namespace gnn::testing
