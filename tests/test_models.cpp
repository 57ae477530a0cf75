#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/error.h"
#include "gnn/core/generator.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/cross_entropy.h"
#include "gnn/layers/lenet.h"
#include "gnn/layers/mlp.h"
#include "gnn/layers/sequential.h"
#include "gnn/layers/summary.h"
#include "gnn/train/checkpoint.h"
#include "gnn/train/sgd.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

std::vector<std::string> keys(const Module& module) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : module.state_dict())
    names.push_back(entry.name + " " + entry.tensor.shape().to_string());
  return names;
}

Tensor images(std::int64_t count, Device device) {
  return to_tensor({{count, 1, 28, 28}, random_values(count * 784, 0, 1, 9)}, DType::float32, device);
}

// ---- Sequential

TEST(Sequential, NamesChildrenByPosition) {
  Sequential net{Linear(4, 3), ReLU()};
  net.push_back(Linear(3, 2)).push_back("last", Linear(2, 1));
  EXPECT_EQ(keys(net), (std::vector<std::string>{"0.weight [3, 4]", "0.bias [3]", "2.weight [2, 3]",
                                                 "2.bias [2]", "last.weight [1, 2]", "last.bias [1]"}));
  EXPECT_EQ(net.size(), 4u);
  EXPECT_EQ(net[1].kind(), "ReLU");
  EXPECT_EQ(net[3].name(), "last");
  EXPECT_THROW(net[4], IndexError);
  EXPECT_THROW(net.push_back("last", ReLU()), ValueError);
  EXPECT_EQ(net.size(), 4u);
}

TEST(Sequential, TakesNames) {
  const Sequential net{{"fc", Linear(4, 3)}, {"act", ReLU()}};
  EXPECT_EQ(keys(net), (std::vector<std::string>{"fc.weight [3, 4]", "fc.bias [3]"}));
}

TEST(Sequential, RunsInOrder) {
  manual_seed(1);
  Linear first(4, 3);
  Linear second(3, 2);
  Sequential net{first, ReLU(), second};
  const Tensor x = to_tensor({{5, 4}, random_values(20, -1, 1, 2)}, DType::float32);
  EXPECT_EQ(net(x).to_doubles(), second(relu(first(x))).to_doubles());
  Sequential empty;
  EXPECT_TRUE(empty(x).is_same(x));
}

TEST(Sequential, IsAHandle) {
  Sequential net{ReLU()};
  Sequential copy(net);
  Sequential other = net;
  copy.push_back(Linear(4, 3));
  EXPECT_EQ(net.size(), 2u);
  EXPECT_EQ(other.size(), 2u);
  Sequential outer{net, ReLU()};
  EXPECT_EQ(keys(outer).front(), "0.1.weight [3, 4]");
  outer.eval();
  EXPECT_FALSE(copy[1].is_training());
}

// ---- MLP

TEST(Mlp, IsASequential) {
  const MLP plain({784, 128, 10});
  EXPECT_EQ(plain.kind(), "MLP");
  EXPECT_EQ(keys(plain), (std::vector<std::string>{"1.weight [128, 784]", "1.bias [128]",
                                                   "3.weight [10, 128]", "3.bias [10]"}));
  MLP rich({4, 3, 3, 2}, {.activation = Nonlinearity::tanh, .dropout = 0.5});
  EXPECT_EQ(rich.size(), 8u);
  EXPECT_EQ(rich[2].kind(), "Tanh");
  EXPECT_EQ(rich[3].kind(), "Dropout");
  EXPECT_EQ(rich(zeros({6, 2, 2})).shape(), (Shape{6, 2}));
  EXPECT_EQ(MLP({4, 2}, {.dropout = 0.5}).size(), 2u);
  EXPECT_THROW(MLP({4}), ValueError);
}

// ---- LeNet, against loops written from its definition

/// Valid cross-correlation of x [C, S, S] with weight [K, C, 5, 5] and bias [K].
Array convolution(const Array& x, const Array& weight, const Array& bias) {
  const std::int64_t channels = x.shape[0];
  const std::int64_t size = x.shape[1];
  const std::int64_t out = size - 4;
  Array y = array({weight.shape[0], out, out});
  for (std::int64_t k = 0; k < weight.shape[0]; ++k) {
    for (std::int64_t i = 0; i < out; ++i) {
      for (std::int64_t j = 0; j < out; ++j) {
        double sum = bias[k];
        for (std::int64_t c = 0; c < channels; ++c) {
          for (std::int64_t u = 0; u < 5; ++u) {
            for (std::int64_t v = 0; v < 5; ++v) {
              sum += x[(c * size + i + u) * size + j + v] * weight[((k * channels + c) * 5 + u) * 5 + v];
            }
          }
        }
        y[(k * out + i) * out + j] = sum;
      }
    }
  }
  return y;
}

Array pooling(const Array& x) {
  const std::int64_t size = x.shape[1];
  Array y = array({x.shape[0], size / 2, size / 2});
  for (std::int64_t i = 0; i < y.shape.numel(); ++i) y[i] = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
    const std::int64_t target =
        (i / size / size * (size / 2) + i / size % size / 2) * (size / 2) + i % size / 2;
    y[target] = std::max(y[target], x[i]);
  }
  return y;
}

Array linear(const Array& x, const Array& weight, const Array& bias) {
  const std::int64_t width = weight.shape[1];
  Array y = array({weight.shape[0]});
  for (std::int64_t k = 0; k < weight.shape[0]; ++k) {
    y[k] = bias[k];
    for (std::int64_t i = 0; i < width; ++i) y[k] += x[i] * weight[k * width + i];
  }
  return y;
}

TEST(LeNet, IsPyTorchsByName) {
  const LeNet model;
  EXPECT_EQ(keys(model), (std::vector<std::string>{"conv1.weight [20, 1, 5, 5]", "conv1.bias [20]",
                                                   "conv2.weight [50, 20, 5, 5]", "conv2.bias [50]",
                                                   "fc1.weight [500, 800]", "fc1.bias [500]",
                                                   "fc2.weight [10, 500]", "fc2.bias [10]"}));
}

TEST(LeNet, MatchesItsDefinition) {
  for (const Device device : test_devices()) {
    manual_seed(3);
    LeNet model;
    model.to(device);
    const NoGrad no_grad;
    const Array got = to_array(model(images(2, device)));
    ASSERT_EQ(got.shape, (Shape{2, 10}));
    const Array all = to_array(images(2, Device::cpu()));
    for (std::int64_t n = 0; n < 2; ++n) {
      Array x{{1, 28, 28}, {all.values.begin() + n * 784, all.values.begin() + (n + 1) * 784}};
      x = pooling(convolution(x, to_array(model.conv1.weight), to_array(model.conv1.bias)));
      x = pooling(convolution(x, to_array(model.conv2.weight), to_array(model.conv2.bias)));
      x = linear(x, to_array(model.fc1.weight), to_array(model.fc1.bias));
      for (double& value : x.values) value = std::max(value, 0.0);
      x = linear(x, to_array(model.fc2.weight), to_array(model.fc2.bias));
      const Array row{{10}, {got.values.begin() + n * 10, got.values.begin() + (n + 1) * 10}};
      // Sums of up to 800 products in float32: errors of about sqrt(800) * 2^-24 = 2e-6 per layer, four of
      // them.
      expect_close(row, x, 1e-5, "LeNet");
    }
  }
}

TEST(LeNet, InitialisesAsCaffe) {
  manual_seed(1);
  const LeNet model;
  for (const NamedTensor& entry : model.state_dict()) {
    double largest = 0;
    for (const double value : entry.tensor.to_doubles()) largest = std::max(largest, std::abs(value));
    if (entry.tensor.dim() == 1) {
      EXPECT_EQ(largest, 0) << entry.name;
    } else {
      const double bound = std::sqrt(3.0 / static_cast<double>(fan_in_of(entry.tensor.shape())));
      EXPECT_LE(largest, bound * (1 + 1e-6)) << entry.name;
      EXPECT_GT(largest, 0.98 * bound) << entry.name;  // of 500 draws or more: fails once in 25,000 seeds
    }
  }
}

TEST(LeNet, ASeedGivesTheSameWeights) {
  const auto weights = [](std::uint64_t seed) {
    manual_seed(seed);
    return LeNet().fc2.weight.to_doubles();
  };
  EXPECT_EQ(weights(1), weights(1));
  EXPECT_NE(weights(1), weights(2));
}

// The same values are in python/tests/test_models.py: both languages draw the same weights.
TEST(Models, ASeedGivesTheseWeights) {
  const auto hash = [](auto build) {
    manual_seed(1);
    return sha256(build());
  };
  EXPECT_EQ(hash([] { return LeNet(); }), "80766264184858f19fe5d80994a5309671b603cd9cd49bfc2ee9d30a23ed8772");
  EXPECT_EQ(hash([] { return LeNet5(); }),
            "f90c6c1bc11c60794cb1fcd6acc20109289ad0a98da8e2a9b0ab38cbe5d4e9f2");
  EXPECT_EQ(hash([] {
              return MLP({784, 128, 10});
            }),
            "d3fd57c0cbca2acdf5ae79bd107d766ec26b3a70d31b85eaa16eda3048f3c6f1");
}

TEST(LeNet, RefusesOtherImages) {
  LeNet model({.channels = 3});
  EXPECT_THROW(model(zeros({2, 1, 28, 28})), ShapeError);
  EXPECT_THROW(model(zeros({2, 3, 32, 32})), ShapeError);
  EXPECT_THROW(model(zeros({3, 28, 28})), ShapeError);
  EXPECT_EQ(model(zeros({1, 3, 28, 28})).shape(), (Shape{1, 10}));
}

TEST(LeNet, Summary) {
  LeNet model;
  const ModelSummary summary = summarize(model, {64, 1, 28, 28});
  EXPECT_EQ(summary.parameters, 431080);
  // Multiplications and additions of the four layers with weights; the rest is below 2 % of it.
  const double products = 64 * (20.0 * 24 * 24 * 25 + 50.0 * 8 * 8 * 500 + 500.0 * 800 + 10.0 * 500);
  EXPECT_GE(static_cast<double>(summary.flops), 2 * products);
  EXPECT_LE(static_cast<double>(summary.flops), 2 * products * 1.02);
}

TEST(LeNet5, IsPyTorchsByName) {
  const LeNet5 model;
  EXPECT_EQ(keys(model),
            (std::vector<std::string>{"conv1.weight [6, 1, 5, 5]", "conv1.bias [6]",
                                      "conv2.weight [16, 6, 5, 5]", "conv2.bias [16]",
                                      "fc1.weight [120, 400]", "fc1.bias [120]", "fc2.weight [84, 120]",
                                      "fc2.bias [84]", "fc3.weight [10, 84]", "fc3.bias [10]"}));
  std::int64_t parameters = 0;
  for (const Tensor& tensor : model.parameters()) parameters += tensor.numel();
  EXPECT_EQ(parameters, 61706);
}

/// A few steps on a few images with random labels: the loss falls, and every parameter moves.
void expect_learning(Module& model, Device device) {
  model.to(device);
  const Tensor x = images(4, device);
  const Tensor labels = from_values(std::vector<std::int64_t>{3, 1, 4, 1}, {4}, device);
  SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  std::vector<std::vector<double>> before;
  for (const Tensor& tensor : model.parameters()) before.push_back(tensor.to_doubles());
  double first = 0;
  double last = 0;
  for (int step = 0; step < 4; ++step) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(model(x), labels);
    loss.backward();
    optimizer.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  EXPECT_LT(last, first);
  std::size_t i = 0;
  for (const NamedTensor& entry : model.named_parameters())
    EXPECT_NE(entry.tensor.to_doubles(), before[i++]) << entry.name;
}

TEST(Models, Learn) {
  for (const Device device : test_devices()) {
    manual_seed(1);
    LeNet lenet;
    expect_learning(lenet, device);
    MLP mlp({784, 32, 10});
    expect_learning(mlp, device);
    for (const Pooling pooling : {Pooling::average, Pooling::max}) {
      for (const Nonlinearity activation : {Nonlinearity::tanh, Nonlinearity::relu}) {
        LeNet5 lenet5({.activation = activation, .pooling = pooling});
        expect_learning(lenet5, device);
      }
    }
  }
}

}  // namespace
}  // namespace gnn::testing
