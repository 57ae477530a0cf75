#include "cases/cross_entropy.h"

#include <cmath>
#include <limits>

#include "gnn/autograd/tape.h"
#include "gnn/core/error.h"
#include "gnn/layers/binary.h"
#include "gnn/layers/fill.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(CrossEntropyOp, cases::cross_entropy());

class CrossEntropyOnDevice : public DeviceTest {
 protected:
  static Tensor labels(const std::vector<std::int64_t>& values) {
    return from_values(values, {static_cast<std::int64_t>(values.size())}, device());
  }
  static Tensor logits(const std::vector<float>& values, std::int64_t classes) {
    return from_values(values, {static_cast<std::int64_t>(values.size()) / classes, classes}, device());
  }
};
GNN_INSTANTIATE_FOR_DEVICES(CrossEntropyOnDevice);

TEST_P(CrossEntropyOnDevice, CertaintyCostsNothingAndErrorsCostTheirSize) {
  const Tensor x = logits({0, 500, 0, 500}, 2);
  EXPECT_EQ(cross_entropy(x, labels({1, 0}), {.reduction = Reduction::none}).to_vector<float>(),
            (std::vector<float>{0, 500}));
}

TEST_P(CrossEntropyOnDevice, GradientIsSoftmaxMinusTarget) {
  Tensor x = logits({0, 0, 0, 0}, 2);
  x.set_requires_grad();
  const Tensor loss = cross_entropy(x, labels({0, 1}));
  EXPECT_FLOAT_EQ(static_cast<float>(loss.item()), std::log(2.0F));
  loss.backward({}, true);
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{-0.25, 0.25, 0.25, -0.25}));
  loss.backward();  // a second time over the same saved gradient adds the same again
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{-0.5, 0.5, 0.5, -0.5}));
}

TEST_P(CrossEntropyOnDevice, TheDefaultGradientIsOne) {
  for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
    // One block of a GPU, and more.
    for (const std::int64_t samples : {7, 300}) {
      const Array values{{samples, 5}, random_values(samples * 5, -2, 2, 3)};
      std::vector<std::int64_t> classes;
      for (std::int64_t n = 0; n < samples; ++n) classes.push_back(n % 5);
      const auto gradient = [&](const Tensor& grad, double factor) {
        Tensor x = to_tensor(values, DType::float32, device());
        x.set_requires_grad();
        Tensor loss = cross_entropy(mul(x, 1.0), labels(classes), {.reduction = reduction});
        if (factor != 1) loss = mul(loss, factor);  // then it is not what backward() starts from
        loss.backward(grad);
        return x.grad().to_vector<float>();
      };
      const std::vector<float> want = gradient({}, 1);
      EXPECT_EQ(gradient(ones({}, {.device = device()}), 1), want);
      std::vector<float> twice = want;
      for (float& value : twice) value *= 2;
      EXPECT_EQ(gradient({}, 2), twice);
      EXPECT_EQ(gradient(full({}, 2.0, {.device = device()}), 1), twice);
    }
  }
}

TEST_P(CrossEntropyOnDevice, AGradientBelongsToItsReceiver) {
  Tensor x = logits({1, 2, 3, 4}, 2);
  x.set_requires_grad();
  const Tensor loss = cross_entropy(x, labels({0, 1}));
  loss.backward({}, true);
  const std::vector<float> want = x.grad().to_vector<float>();
  Tensor grad = x.grad();
  grad.copy_from(zeros_like(x));  // what the loss keeps for another pass stays as it is
  loss.backward();
  EXPECT_EQ(x.grad().to_vector<float>(), want);
}

TEST_P(CrossEntropyOnDevice, NoSampleThatCounts) {
  Tensor x = logits({1, 2, 3, 4}, 2);
  x.set_requires_grad();
  const Tensor loss = cross_entropy(x, labels({-100, -100}));
  EXPECT_TRUE(std::isnan(loss.item()));
  loss.backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ(cross_entropy(x, labels({-100, -100}), {.reduction = Reduction::sum}).item(), 0);
  EXPECT_TRUE(std::isnan(cross_entropy(zeros({0, 3}, {.device = device()}), labels({})).item()));
}

TEST_P(CrossEntropyOnDevice, NanAndInfinityGiveNan) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_TRUE(std::isnan(cross_entropy(logits({1, bad, 2}, 3), labels({0})).item()));
    EXPECT_TRUE(std::isnan(cross_entropy(logits({bad, 1, 2}, 3), labels({0})).item()));
  }
  // A class that is ruled out.
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_FLOAT_EQ(static_cast<float>(cross_entropy(logits({0, -infinity, 0}, 3), labels({2})).item()),
                  std::log(2.0F));
  EXPECT_EQ(cross_entropy(logits({0, -infinity, 0}, 3), labels({1})).item(), infinity);
}

TEST_P(CrossEntropyOnDevice, LabelsOutOfRange) {
  Tensor x = logits({1, 2, 3, 4, 5, 6}, 2);
  x.set_requires_grad();
  EXPECT_EQ(take_label_errors(device()), 0);
  for (const std::int64_t bad : {std::int64_t{2}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    const Tensor y = labels({0, bad, bad});
    if (device().is_cpu()) {
      try {
        cross_entropy(x, y);
        FAIL() << "took label " << bad;
      } catch (const IndexError& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find("label " + std::to_string(bad) + " at position 1"), std::string::npos)
            << message;
      }
      continue;
    }
    const Tensor loss = cross_entropy(x, y);
    loss.backward();
    EXPECT_TRUE(std::isnan(loss.item()));
    EXPECT_FALSE(std::isnan(x.grad().to_vector<float>()[0]));
    EXPECT_TRUE(std::isnan(x.grad().to_vector<float>()[2]));
    x.set_grad({});
    EXPECT_EQ(take_label_errors(device()), 2);
    EXPECT_EQ(take_label_errors(device()), 0);
  }
  // The device is as good as before.
  EXPECT_FALSE(std::isnan(cross_entropy(x, labels({0, 1, 0})).item()));
}

TEST_P(CrossEntropyOnDevice, WithoutTapeTheLossIsTheSame) {
  Tensor x = to_tensor({{8, 10}, random_values(80, -4, 4, 1)}, DType::float32, device());
  const Tensor y = labels({0, 1, 2, 3, 9, 9, 5, 7});
  const double want = cross_entropy(x, y).item();
  x.set_requires_grad();
  EXPECT_EQ(cross_entropy(x, y).item(), want);
  EXPECT_EQ(CrossEntropyLoss()(x, y).item(), want);
}

TEST(CrossEntropy, ErrorsNameTheFunction) {
  const Tensor x = zeros({2, 3});
  const Tensor y = zeros({2}, {.dtype = DType::int64});
  EXPECT_THROW(cross_entropy(zeros({2, 3, 4}), y), ShapeError);
  EXPECT_THROW(cross_entropy(x, zeros({2})), DTypeError);
  EXPECT_THROW(cross_entropy(y.alias({2, 1}), y), DTypeError);
  EXPECT_THROW(cross_entropy(x, y, {.weight = zeros({2})}), ShapeError);
  EXPECT_THROW(cross_entropy(x, y, {.weight = zeros({3}, {.dtype = DType::float64})}), DTypeError);
  EXPECT_THROW(cross_entropy(x, y, {.label_smoothing = 1.5}), ValueError);
  EXPECT_THROW(CrossEntropyLoss({.label_smoothing = -1}), ValueError);
  try {
    cross_entropy(x, zeros({3}, {.dtype = DType::int64}));
    FAIL() << "cross_entropy took 3 labels for 2 samples";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "cross_entropy: expected labels [2] for logits [2, 3], got [3]");
  }
}

}  // namespace
}  // namespace gnn::testing
