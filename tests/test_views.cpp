#include <gtest/gtest.h>

#include "gnn/core/error.h"
#include "gnn/layers/binary.h"
#include "gnn/layers/views.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

Tensor counting(const Shape& shape, Device device = Device::cpu()) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.numel(); ++i) values.push_back(static_cast<double>(i));
  return from_values(values, shape, device);
}

TEST(Reshape, FillsInMinusOne) {
  const Tensor x = zeros({2, 3, 4});
  EXPECT_EQ(reshape(x, {-1}).shape(), (Shape{24}));
  EXPECT_EQ(reshape(x, {4, -1}).shape(), (Shape{4, 6}));
  EXPECT_EQ(reshape(x, {-1, 24}).shape(), (Shape{1, 24}));
  EXPECT_EQ(reshape(x, Shape{6, 4}).shape(), (Shape{6, 4}));
  EXPECT_EQ(reshape(zeros({1, 1}), std::initializer_list<std::int64_t>{}).shape(), Shape{});
  EXPECT_EQ(reshape(zeros({0, 3}), {-1, 3}).shape(), (Shape{0, 3}));
  EXPECT_EQ(reshape(zeros({0, 3}), {5, 0}).shape(), (Shape{5, 0}));
}

TEST(Reshape, SharesMemory) {
  const Tensor x = counting({2, 3});
  Tensor y = reshape(x, {3, 2});
  EXPECT_EQ(y.raw_data(), x.raw_data());
  y.mutable_data<double>()[5] = 7;
  EXPECT_EQ(x.to_vector<double>()[5], 7);
}

TEST(Reshape, Errors) {
  const Tensor x = zeros({2, 3});
  EXPECT_THROW(reshape(x, {4, 2}), ShapeError);
  EXPECT_THROW(reshape(x, {4, -1}), ShapeError);
  EXPECT_THROW(reshape(x, {-1, -1}), ShapeError);
  EXPECT_THROW(reshape(x, {-2, -3}), ShapeError);
  EXPECT_THROW(reshape(zeros({0}), {0, -1}), ShapeError);
  EXPECT_THROW(reshape(x, {1, 1, 1, 1, 1, 1, 1, 1, 6}), ShapeError);
  EXPECT_THROW(reshape(x, {std::int64_t{1} << 62, 4}), ShapeError);
  EXPECT_THROW(reshape(Tensor(), {1}), ValueError);
  try {
    reshape(x, {4, -1});
    FAIL() << "6 elements were reshaped to rows of 4";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "reshape: [2, 3] does not fit into [4, -1]");
  }
}

TEST(FlattenFunction, MergesARange) {
  const Tensor x = zeros({2, 3, 4, 5});
  EXPECT_EQ(flatten(x).shape(), (Shape{120}));
  EXPECT_EQ(flatten(x, 1).shape(), (Shape{2, 60}));
  EXPECT_EQ(flatten(x, 1, 2).shape(), (Shape{2, 12, 5}));
  EXPECT_EQ(flatten(x, -2, -1).shape(), (Shape{2, 3, 20}));
  EXPECT_EQ(flatten(x, 2, 2).shape(), (Shape{2, 3, 4, 5}));
  EXPECT_EQ(flatten(zeros({})).shape(), (Shape{1}));
  EXPECT_EQ(flatten(zeros({0, 3, 4}), 1).shape(), (Shape{0, 12}));
  EXPECT_THROW(flatten(x, 2, 1), ShapeError);
  EXPECT_THROW(flatten(x, 4), IndexError);
  EXPECT_THROW(flatten(x, 0, 4), IndexError);
}

TEST(Slice, TakesRows) {
  for (const Device device : test_devices()) {
    const Tensor x = counting({4, 3}, device);
    EXPECT_EQ(slice(x, 1, 3).to_vector<double>(), (std::vector<double>{3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(slice(x, -1, 4).to_vector<double>(), (std::vector<double>{9, 10, 11}));
    EXPECT_EQ(slice(x, 0, -3).to_vector<double>(), (std::vector<double>{0, 1, 2}));
    EXPECT_EQ(slice(x, 2, 2).shape(), (Shape{0, 3}));
    EXPECT_EQ(slice(zeros({0, 3}), 0, 0).shape(), (Shape{0, 3}));
    EXPECT_EQ(slice(zeros({3, 0}), 1, 3).shape(), (Shape{2, 0}));
  }
}

TEST(Slice, Errors) {
  const Tensor x = zeros({4, 3});
  EXPECT_THROW(slice(x, 3, 5), IndexError);
  EXPECT_THROW(slice(x, 3, 2), IndexError);
  EXPECT_THROW(slice(x, -5, 2), IndexError);
  EXPECT_THROW(slice(zeros({}), 0, 1), ShapeError);
}

TEST(Views, GradientsReachTheRightElements) {
  for (const Device device : test_devices()) {
    Tensor x = counting({4, 3}, device);
    x.set_requires_grad();
    const Tensor y = reshape(slice(x, 1, 3), {3, -1});
    y.backward(counting({3, 2}, device));
    EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0}));
    EXPECT_EQ(x.grad().shape(), (Shape{4, 3}));
  }
}

TEST(Views, GradientsOfOverlappingSlicesAdd) {
  for (const Device device : test_devices()) {
    Tensor x = counting({3}, device);
    x.set_requires_grad();
    (slice(x, 0, 2) * slice(x, 1, 3)).backward(from_values<double>({1, 10}, {2}, device));
    EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{1, 0 + 20, 10}));
  }
}

TEST(Views, CentralDifferences) {
  Tensor x = from_values(random_values(24, -1, 1, 1), {4, 3, 2});
  x.set_requires_grad();
  check_gradient_of(
      [](std::span<const Tensor> in) {
        const Tensor rows = flatten(slice(in[0], 1, 4), 1);
        return rows * rows;
      },
      {x}, "flatten of a slice, squared");
}

TEST(FlattenLayer, KeepsTheBatch) {
  Flatten layer;
  EXPECT_EQ(layer(zeros({5, 2, 3})).shape(), (Shape{5, 6}));
  EXPECT_EQ(layer.describe(), "");
  EXPECT_EQ(Flatten(0, 1)(zeros({5, 2, 3})).shape(), (Shape{10, 3}));
  EXPECT_EQ(Flatten(0, 1).describe(), "start=0, end=1");
}

}  // namespace
}  // namespace gnn::testing
