#include "gnn/train/metrics.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

const float nan = std::nanf("");
constexpr float infinity = std::numeric_limits<float>::infinity();

Tensor logits(const std::vector<float>& values, std::int64_t classes, Device device) {
  return from_values(values, {std::ssize(values) / classes, classes}, device);
}

Tensor labels(const std::vector<std::int64_t>& values, Device device) {
  return from_values(values, {std::ssize(values)}, device);
}

TEST(Metrics, PredictedClass) {
  for (const Device device : test_devices()) {
    const Tensor x = logits({1, 2, 0,                          // plain
                             3, 1, 3,                          // a tie: the first
                             -infinity, -infinity, -infinity,  //
                             0, infinity, 1,                   //
                             nan, 5, 1,                        // a NaN anywhere: none
                             5, 1, nan},
                            3, device);
    EXPECT_EQ(predicted_classes(x), (std::vector<std::int64_t>{1, 0, 0, 1, -1, -1})) << device.to_string();
  }
}

TEST(Metrics, Accuracy) {
  for (const Device device : test_devices()) {
    const Tensor x = logits({1, 2, 0, 3, 1, 3, nan, 1, 1, 0, 0, 1}, 3, device);
    EXPECT_EQ(accuracy(x, labels({1, 0, 0, 0}, device)), 0.5);
    EXPECT_EQ(accuracy(x, labels({1, 2, 1, 2}, device)), 0.5);
    EXPECT_TRUE(std::isnan(accuracy(zeros({0, 3}, {.device = device}), labels({}, device))));
  }
}

TEST(Metrics, AccuracyOfManyRows) {
  const std::int64_t rows = 1023;
  const std::int64_t classes = 10;
  const std::vector<double> values = random_values(rows * classes, -1, 1, 3);
  std::vector<std::int64_t> expected;
  std::int64_t hits = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    expected.push_back(row % classes);
    bool largest = true;
    for (std::int64_t c = 0; c < classes; ++c) {
      if (c != row % classes && values[static_cast<std::size_t>(row * classes + c)] >=
                                    values[static_cast<std::size_t>(row * classes + row % classes)]) {
        largest = false;
      }
    }
    hits += largest ? 1 : 0;
  }
  for (const Device device : test_devices()) {
    const Tensor x = to_tensor({{rows, classes}, values}, DType::float64, device);
    EXPECT_EQ(accuracy(x, labels(expected, device)), static_cast<double>(hits) / static_cast<double>(rows));
  }
}

TEST(Metrics, ConfusionMatrix) {
  for (const Device device : test_devices()) {
    ConfusionMatrix matrix(3);
    matrix.add(logits({1, 0, 0, 0, 1, 0, 0, 1, 0}, 3, device), labels({0, 1, 0}, device));
    matrix.add(logits({1, 0, 0, nan, 0, 0}, 3, device), labels({0, 1}, device));
    EXPECT_EQ(matrix.counts(), (std::vector<std::int64_t>{2, 1, 0, 0, 1, 0, 0, 0, 0}));
    EXPECT_EQ(matrix.count(1, -1), 1);
    EXPECT_EQ(matrix.total(), 5);
    EXPECT_EQ(matrix.correct(), 3);
    EXPECT_EQ(matrix.accuracy(), 0.6);
    EXPECT_EQ(matrix.recall(0), 2.0 / 3);
    EXPECT_EQ(matrix.recall(1), 0.5);
    EXPECT_TRUE(std::isnan(matrix.recall(2)));
    EXPECT_EQ(matrix.precision(0), 1);
    EXPECT_EQ(matrix.precision(1), 0.5);
    EXPECT_TRUE(std::isnan(matrix.precision(2)));
    ConfusionMatrix sum(3);
    sum.add(matrix);
    sum.add(matrix);
    EXPECT_EQ(sum.total(), 10);
  }
}

TEST(Metrics, ConfusionMatrixAsText) {
  ConfusionMatrix matrix(2, {"cat", "dog"});
  for (int i = 0; i < 12; ++i) matrix.add(0, 0);
  matrix.add(0, 1);
  matrix.add(1, 0);
  EXPECT_EQ(matrix.to_string(),
            "true           cat     dog    recall\n"
            "cat             12       1   92.31 %\n"
            "dog              1       0    0.00 %\n"
            "precision  92.31 %  0.00 %\n"
            "accuracy 12 of 14: 85.71 %\n");
  ConfusionMatrix with_nan(1);
  with_nan.add(0, -1);
  EXPECT_EQ(with_nan.to_string(),
            "true       0       NaN    recall\n"
            "0          0         1    0.00 %\n"
            "precision  -\n"
            "accuracy 0 of 1: 0.00 %\n");
}

TEST(Metrics, Errors) {
  const Device cpu = Device::cpu();
  const Tensor x = logits({1, 2, 0, 3, 1, 3}, 3, cpu);
  EXPECT_THROW(accuracy(x, labels({0}, cpu)), ShapeError);
  EXPECT_THROW(accuracy(zeros({3}), labels({0, 0, 0}, cpu)), ShapeError);
  EXPECT_THROW(accuracy(x, zeros({2})), DTypeError);
  EXPECT_THROW(accuracy(zeros({2, 3}, {.dtype = DType::int32}), labels({0, 0}, cpu)), DTypeError);
  EXPECT_THROW(predicted_classes(zeros({2, 0})), ShapeError);
  ConfusionMatrix matrix(3);
  try {
    matrix.add(x, labels({0, 3}, cpu));
    FAIL() << "label 3 of 3 classes was taken";
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(), "ConfusionMatrix: label 3 of sample 1 is outside [0, 3)");
  }
  EXPECT_EQ(matrix.total(), 0);
  EXPECT_THROW(matrix.add(zeros({2, 4}), labels({0, 0}, cpu)), ShapeError);
  EXPECT_THROW(matrix.add(-1, 0), IndexError);
  EXPECT_THROW(matrix.add(0, 3), IndexError);
  EXPECT_THROW(matrix.recall(3), IndexError);
  EXPECT_THROW(matrix.precision(-1), IndexError);
  EXPECT_THROW(matrix.add(ConfusionMatrix(2)), ValueError);
  EXPECT_THROW(ConfusionMatrix(0), ValueError);
  EXPECT_THROW(ConfusionMatrix(std::int64_t{1} << 40), ValueError);
  EXPECT_THROW(ConfusionMatrix(2, {"only"}), ValueError);
}

}  // namespace
}  // namespace gnn::testing
