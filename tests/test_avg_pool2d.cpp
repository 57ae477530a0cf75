#include "cases/avg_pool2d.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(AvgPool2dOp, cases::avg_pool2d());

class AvgPool2dOn : public DeviceTest {};

TEST_P(AvgPool2dOn, PaddingCountsOrNot) {
  const Tensor x = from_values<float>({4, 8, 12, 16}, {1, 2, 2}, device());
  const Tensor counted = avg_pool2d(x, 2, {.padding = 1});
  EXPECT_EQ(counted.to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  const Tensor uncounted = avg_pool2d(x, 2, {.padding = 1, .count_include_pad = false});
  EXPECT_EQ(uncounted.to_vector<float>(), (std::vector<float>{4, 8, 12, 16}));
  const Tensor divided = avg_pool2d(x, 2, {.divisor_override = 10});
  EXPECT_EQ(divided.to_vector<float>(), (std::vector<float>{4}));
}

// The third window has one pixel and one position outside the padded input, which never counts.
TEST_P(AvgPool2dOn, WhatHangsOverTheEdgeNeverCounts) {
  const Tensor x = from_values<float>({1, 3, 5, 7, 9}, {1, 1, 5}, device());
  EXPECT_EQ(avg_pool2d(x, {1, 2}, {.ceil_mode = true}).to_vector<float>(), (std::vector<float>{2, 6, 9}));
  EXPECT_EQ(avg_pool2d(x, {1, 2}).to_vector<float>(), (std::vector<float>{2, 6}));
}

TEST_P(AvgPool2dOn, SharesTheGradientEqually) {
  Tensor x = from_values<float>({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 3, 3}, device());
  x.set_requires_grad();
  const Tensor y = avg_pool2d(x, 2, {.stride = 1});
  y.backward(from_values<float>({4, 8, 12, 16}, y.shape(), device()));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{1, 3, 2, 4, 10, 6, 3, 7, 4}));
}

TEST_P(AvgPool2dOn, NanStaysInItsWindow) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = from_values<float>({1, nan, 3, 5, 1, 1, 1, 3}, {1, 2, 4}, device());
  const std::vector<float> y = avg_pool2d(x, 2).to_vector<float>();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 3);
}

TEST_P(AvgPool2dOn, UnalignedViews) {
  const Tensor memory = from_values<float>({99, 1, 5, 2, 0, 3, 7, 4, 6}, {9}, device());
  Tensor x = memory.alias({1, 2, 4}, 1);
  x.set_requires_grad();
  const Tensor y = avg_pool2d(x, 2);
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{4, 3}));
  y.backward(from_values<float>({4, 8}, {1, 1, 2}, device()));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{1, 1, 2, 2, 1, 1, 2, 2}));
}

GNN_INSTANTIATE_FOR_DEVICES(AvgPool2dOn);

TEST(AvgPool2d, ModuleDescribesItself) {
  AvgPool2d layer(3, {.stride = 2, .padding = 1, .count_include_pad = false});
  EXPECT_EQ(layer.describe(), "kernel_size=3, stride=2, padding=1, count_include_pad=false");
  EXPECT_EQ(layer(zeros({2, 3, 9, 9})).shape(), (Shape{2, 3, 5, 5}));
  EXPECT_EQ(layer.flops({2, 3, 9, 9}, {2, 3, 5, 5}), 2 * 3 * 5 * 5 * 9);
  EXPECT_EQ(AvgPool2d(2, 2)(zeros({1, 4, 4})).shape(), (Shape{1, 2, 2}));
}

TEST(AvgPool2d, ErrorsSayWhatWasExpected) {
  const Tensor x = zeros({1, 2, 4, 4});
  try {
    avg_pool2d(x, 5);
    FAIL() << "avg_pool2d took a window that does not fit";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(
        error.what(),
        "avg_pool2d: expected images of at least one window (kernel_size 5, dilation 1, padding 0), got "
        "[1, 2, 4, 4]");
  }
  EXPECT_THROW(avg_pool2d(zeros({4, 4}), 2), ShapeError);
  EXPECT_THROW(avg_pool2d(x, 0), ValueError);
  EXPECT_THROW(avg_pool2d(x, 2, {.stride = 0}), ValueError);
  EXPECT_THROW(avg_pool2d(x, 2, {.padding = 2}), ValueError);
  EXPECT_THROW(avg_pool2d(x, 2, {.divisor_override = 0}), ValueError);
  EXPECT_THROW(avg_pool2d(from_values<std::int64_t>({1}, {1, 1, 1}), 1), DTypeError);
}

}  // namespace
}  // namespace gnn::testing
