#include "cases/dropout.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/dropout.h"
#include "gnn/kernels/run.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(DropoutOp, cases::dropout());

Tensor ones(const Shape& shape, const TensorOptions& options) {
  return to_tensor({shape, std::vector<double>(static_cast<std::size_t>(shape.numel()), 1.0)}, options.dtype,
                   options.device);
}

// The standard deviation of the dropped fraction of 2^18 elements is below 1e-3: 5 of them.
TEST(Dropout, DropsTheAskedFractionAndKeepsTheMean) {
  for (const Device device : test_devices()) {
    Generator generator(5);
    for (const double p : {0.1, 0.5, 0.8}) {
      const std::vector<float> y =
          dropout(ones({1 << 18}, {.device = device}), p, true, &generator).to_vector<float>();
      double dropped = 0;
      for (const float value : y) {
        ASSERT_TRUE(value == 0.0F || value == static_cast<float>(1 / (1 - p)));
        dropped += value == 0.0F ? 1.0 : 0.0;
      }
      EXPECT_NEAR(dropped / (1 << 18), p, 5e-3) << device.to_string();
    }
  }
}

TEST(Dropout, GradientUsesTheSameMask) {
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      Tensor x = ones({33, 31}, {dtype, device});
      x.set_requires_grad();
      const Tensor y = dropout(x, 0.3);
      default_generator().reserve(1000);  // what else is drawn in between does not matter
      y.backward(ones({33, 31}, {dtype, device}));
      EXPECT_EQ(x.grad().to_doubles(), y.to_doubles()) << device.to_string();
    }
  }
}

TEST(Dropout, MaskDependsNeitherOnDtypeNorOnDeviceNorOnAlignment) {
  const GeneratorState state{8, 1};
  std::vector<double> want;
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const std::int64_t shift : {0, 1, 2}) {
        const Tensor x = ones({1023 + shift}, {dtype, device}).alias({1023}, shift);
        Tensor y = empty({1023}, {dtype, device});
        kernels::run<kernels::DropoutKernel>(x, y, 0.5, state);  // 1 / (1 - p) is exactly 2
        if (want.empty()) want = y.to_doubles();
        EXPECT_EQ(y.to_doubles(), want) << device.to_string() << " " << shift;
      }
    }
  }
}

TEST(Dropout, WorksInPlace) {
  for (const Device device : test_devices()) {
    Tensor x = ones({1001}, {.device = device});
    Tensor y = empty_like(x);
    kernels::run<kernels::DropoutKernel>(x, y, 0.4, GeneratorState{1, 2});
    kernels::run<kernels::DropoutKernel>(x, x, 0.4, GeneratorState{1, 2});
    EXPECT_EQ(x.to_vector<float>(), y.to_vector<float>()) << device.to_string();
  }
}

TEST(Dropout, ProbabilityZeroAndOne) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Device device : test_devices()) {
    Tensor x = from_values<float>({1, nan, std::numeric_limits<float>::infinity()}, {3}, device);
    x.set_requires_grad();
    const std::uint64_t before = default_generator().offset();
    EXPECT_TRUE(dropout(x, 0).is_same(x));
    EXPECT_EQ(default_generator().offset(), before);  // nothing to draw
    const Tensor y = dropout(x, 1);
    EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{0, 0, 0})) << device.to_string();
    y.backward(from_values<float>({1, nan, 1}, {3}, device));
    EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0, 0}));
  }
}

TEST(Dropout, ModuleIsTheIdentityInEvaluation) {
  manual_seed(2);
  Dropout layer(0.5);
  EXPECT_EQ(layer.describe(), "p=0.5");
  const Tensor x = ones({1000}, {});
  const std::vector<float> first = layer(x).to_vector<float>();
  EXPECT_NE(first, x.to_vector<float>());
  EXPECT_NE(layer(x).to_vector<float>(), first);  // a new mask each time
  layer.eval();
  EXPECT_TRUE(layer(x).is_same(x));
  layer.train();
  EXPECT_FALSE(layer(x).is_same(x));
}

TEST(Dropout, ErrorsSayWhatWasExpected) {
  EXPECT_THROW(dropout(zeros({2}), -0.1), ValueError);
  EXPECT_THROW(dropout(zeros({2}), 1.1), ValueError);
  EXPECT_THROW(dropout(zeros({2}), std::nan("")), ValueError);
  EXPECT_THROW(Dropout(2), ValueError);
  EXPECT_THROW(dropout(from_values<std::int32_t>({1}, {1})), DTypeError);
}

}  // namespace
}  // namespace gnn::testing
