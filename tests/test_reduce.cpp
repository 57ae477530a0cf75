#include "cases/reduce.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/reduce.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

GNN_TEST_OP(ReduceOp, cases::reduce());

TEST(Reduce, NothingSumsToZero) {
  for (const Device device : test_devices()) {
    const Tensor x = zeros({0, 3, 0}, {.device = device});
    EXPECT_EQ(sum(x, {0, 2}).to_vector<float>(), (std::vector<float>{0, 0, 0}));
    EXPECT_EQ(sum(x).item(), 0);
    EXPECT_TRUE(std::isnan(mean(x).item()));
    EXPECT_EQ(sum(x, {1}).shape(), (Shape{0, 0}));
    EXPECT_EQ(max(zeros({0, 3}, {.device = device}), 1).numel(), 0);
    EXPECT_THROW(max(x, 0), ShapeError);
    EXPECT_THROW(max(x), ShapeError);
    EXPECT_THROW(argmax(x, 2), ShapeError);
  }
}

TEST(Reduce, LongSumsAreAccurate) {
  for (const Device device : test_devices()) {
    // A naive float32 sum of 3 million ones and a bit stops growing accurately early on.
    const std::int64_t count = 3000001;
    const Tensor x = from_values(std::vector<float>(static_cast<std::size_t>(count), 1.1F), {count}, device);
    const double want = static_cast<double>(count) * static_cast<double>(1.1F);
    EXPECT_NEAR(sum(x).item() / want, 1.0, 4e-7) << device.to_string();
    EXPECT_NEAR(mean(x).item() / static_cast<double>(1.1F), 1.0, 4e-7) << device.to_string();
  }
}

TEST(Reduce, FirstOfEqualValuesWins) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({1, 3, 3, 2, 5, 5, 5, 0}, {2, 4}, device);
    EXPECT_EQ(argmax(x, 1).to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 0}));
    EXPECT_EQ(argmax(x, 0, true).to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 1, 1, 0}));
    EXPECT_EQ(argmax(x, 0, true).shape(), (Shape{1, 4}));
    EXPECT_EQ(argmax(x).item(), 4);
    const Tensor equal = from_values(std::vector<float>(100003, -infinity), {100003}, device);
    EXPECT_EQ(argmax(equal).item(), 0);
    EXPECT_EQ(argmax(equal.alias({100003, 1}), 0).item(), 0);
  }
}

TEST(Reduce, GradientOfEqualValuesGoesToTheFirst) {
  for (const Device device : test_devices()) {
    Tensor x = from_values<float>({2, 7, 7, 1, 7, 7, 7, 7}, {2, 2, 2}, device);
    x.set_requires_grad();
    max(x).backward();
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 1, 0, 0, 0, 0, 0, 0}));
    x.set_grad({});
    max(x, {0, 2}).backward(from_values<float>({3, 5}, {2}, device));
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 3, 5, 0, 0, 0, 0, 0}));
  }
}

TEST(Reduce, NanIsTheLargest) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({1, nan, infinity, nan}, {4}, device);
    EXPECT_TRUE(std::isnan(max(x).item())) << device.to_string();
    EXPECT_EQ(argmax(x).item(), 1);
    EXPECT_TRUE(std::isnan(sum(x).item()));
    std::vector<float> many(70001, infinity);  // over lanes, chunks and blocks
    many[65537] = nan;
    many[69999] = nan;
    const Tensor y = from_values(many, {70001}, device);
    EXPECT_EQ(argmax(y).item(), 65537);
    EXPECT_TRUE(std::isnan(max(y).item()));
    std::vector<float> all(64, nan);
    EXPECT_EQ(argmax(from_values(all, {32, 2}, device), 0).to_vector<std::int64_t>(),
              (std::vector<std::int64_t>{0, 0}));
  }
}

TEST(Reduce, ArgmaxOfEveryAxisMatchesTheDefinition) {
  for (const Device device : test_devices()) {
    for (const Shape& shape :
         {Shape{5, 10}, Shape{3, 33, 5}, Shape{2, 1023, 2}, Shape{2000, 3}, Shape{1, 1}}) {
      const Array x{shape, random_values(shape.numel(), -1, 1, 5)};
      for (std::size_t axis = 0; axis < shape.dim(); ++axis) {
        const auto axis64 = static_cast<std::int64_t>(axis);
        const Array want = cases::reduce_groups(x, {axis64}, false, [](const std::vector<double>& values) {
          return static_cast<double>(std::max_element(values.begin(), values.end()) - values.begin());
        });
        expect_close(to_array(argmax(to_tensor(x, DType::float64, device), axis64)), want, 0,
                     shape.to_string() + " on " + device.to_string());
      }
    }
  }
}

TEST(Reduce, ResultsDoNotDependOnThreads) {
  const Array x{{100000, 7}, random_values(700000, -1, 1, 3)};
  const Tensor tensor = to_tensor(x, DType::float32);
  const int threads = num_threads();
  set_num_threads(1);
  const std::vector<float> one = sum(tensor, 0).to_vector<float>();
  const double all = sum(tensor).item();
  set_num_threads(3);
  EXPECT_EQ(sum(tensor, 0).to_vector<float>(), one);
  EXPECT_EQ(sum(tensor).item(), all);
  set_num_threads(threads);
}

TEST(Reduce, ErrorsNameTheFunctionAndTheShape) {
  const Tensor x = zeros({2, 3});
  try {
    sum(x, {0, 2});
    FAIL() << "sum took axis 2 of a matrix";
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(), "sum: axis 2 is out of range for an input of shape [2, 3]");
  }
  EXPECT_THROW(mean(x, {1, -1}), ValueError);
  EXPECT_THROW(argmax(x, -3), IndexError);
  EXPECT_THROW(mean(zeros({2}, {.dtype = DType::int64})), DTypeError);
  EXPECT_THROW(sum(zeros({2}, {.dtype = DType::float16})), DTypeError);
  EXPECT_THROW(sum(Tensor()), ValueError);
  Tensor small = zeros({2});
  EXPECT_THROW(kernels::run<kernels::Sum>(x, kernels::ReduceDims{1, 2, 3}, 1.0, small), ShapeError);
}

TEST(Reduce, IntegersAreCounted) {
  for (const Device device : test_devices()) {
    const Tensor bytes = from_values(std::vector<std::uint8_t>(3000, 200), {3, 1000}, device);
    EXPECT_EQ(sum(bytes, 1).to_vector<std::int64_t>(), (std::vector<std::int64_t>(3, 200000)));
    const Tensor n = from_values<std::int64_t>({(std::int64_t{1} << 52) + 1, -3}, {2}, device);
    EXPECT_EQ(sum(n).to_vector<std::int64_t>().front(), (std::int64_t{1} << 52) - 2);
    EXPECT_EQ(sum(zeros({0}, {.dtype = DType::int32, .device = device})).to_vector<std::int64_t>().front(),
              0);
  }
}

}  // namespace
}  // namespace gnn::testing
