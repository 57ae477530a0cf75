#include "gnn/layers/chain.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gnn/gnn.h"

namespace gnn {
namespace {

/// Names of the layers that run, as they end.
class Names : public ForwardObserver {
 public:
  void after(const Module& module, const Tensor&, const Tensor&) override { names.push_back(module.kind()); }
  std::vector<std::string> names;
};

/// A convolution with a forward pass of its own.
class Doubled : public Conv2d {
 public:
  Doubled() : Conv2d(1, 3, 3) {}
  Tensor forward(const Tensor& x) override {
    ++calls;
    return mul(Conv2d::forward(x), 2.0);
  }
  int calls = 0;
};

/// The operations that led to a tensor are what its error messages name; running backward twice names one.
std::string last_op(const Tensor& y) {
  const Tensor loss = sum(y);
  loss.backward();
  try {
    y.backward(ones_like(y));
  } catch (const AutogradError& error) {
    return error.what();
  }
  return "";
}

TEST(Chain, RunsInOrder) {
  manual_seed(1);
  Linear a(3, 4);
  Tanh b;
  Linear c(4, 2);
  const Tensor x = randn({5, 3});
  EXPECT_EQ(chain(x, a, b, c).to_vector<float>(), c(b(a(x))).to_vector<float>());
  EXPECT_EQ(chain(x, std::span<Module* const>()).to_vector<float>(), x.to_vector<float>());
}

TEST(Chain, FusesConvolutionReluAndPooling) {
  manual_seed(2);
  Conv2d conv(1, 3, 3, {.padding = 1});
  ReLU relu_layer;
  MaxPool2d pool(2);
  const Tensor x = randn({2, 1, 8, 8});
  const Tensor with_relu = chain(x, conv, relu_layer, pool);
  const Tensor without = chain(x, conv, pool);
  EXPECT_EQ(with_relu.to_vector<float>(), pool(relu_layer(conv(x))).to_vector<float>());
  EXPECT_EQ(without.to_vector<float>(), pool(conv(x)).to_vector<float>());
  EXPECT_NE(last_op(with_relu).find("conv2d_pool"), std::string::npos);
  EXPECT_NE(last_op(without).find("conv2d_pool"), std::string::npos);
}

TEST(Chain, FusesLinearAndRelu) {
  manual_seed(6);
  Linear linear_layer(5, 4);
  ReLU relu_layer;
  Dropout dropout_layer(0.5);
  const Tensor x = randn({3, 5});
  const Tensor y = chain(x, linear_layer, relu_layer);
  EXPECT_EQ(y.to_vector<float>(), relu(linear_layer(x)).to_vector<float>());
  EXPECT_NE(last_op(y).find("linear_relu"), std::string::npos);
  const std::string separate = last_op(chain(x, linear_layer, dropout_layer, relu_layer));
  EXPECT_NE(separate.find("relu"), std::string::npos);
  EXPECT_EQ(separate.find("linear_relu"), std::string::npos);
  EXPECT_EQ(last_op(chain(x, linear_layer)).find("linear_relu"), std::string::npos);
}

TEST(Chain, LeavesOtherNeighboursAlone) {
  manual_seed(3);
  Conv2d conv(1, 3, 3);
  Tanh tanh_layer;
  MaxPool2d pool(2);
  MaxPool2d overlapping(3, 2);
  MaxPool2d padded(2, MaxPool2dOptions{.padding = 1});
  const Tensor x = randn({2, 1, 9, 9});
  EXPECT_EQ(chain(x, conv, tanh_layer, pool).to_vector<float>(),
            pool(tanh_layer(conv(x))).to_vector<float>());
  for (MaxPool2d* other : {&overlapping, &padded}) {
    const Tensor y = chain(x, conv, *other);
    EXPECT_EQ(y.to_vector<float>(), (*other)(conv(x)).to_vector<float>());
    EXPECT_NE(last_op(y).find("max_pool2d"), std::string::npos);
  }
  EXPECT_EQ(chain(x, conv).shape(), (Shape{2, 3, 7, 7}));
}

TEST(Chain, ADerivedClassIsAskedItself) {
  manual_seed(4);
  Doubled conv;
  MaxPool2d pool(2);
  const Tensor x = randn({1, 1, 6, 6});
  const Tensor y = chain(x, conv, pool);
  EXPECT_EQ(conv.calls, 1);
  EXPECT_EQ(y.to_vector<float>(), pool(conv(x)).to_vector<float>());
}

TEST(Chain, AnObserverSeesEveryLayer) {
  Sequential net{Conv2d(1, 3, 3), ReLU(), MaxPool2d(2)};
  Names observer;
  net(zeros({1, 1, 6, 6}));
  EXPECT_EQ(observer.names, (std::vector<std::string>{"Conv2d", "ReLU", "MaxPool2d", "Sequential"}));
  observer.names.clear();
  Sequential(Linear(2, 3), ReLU())(zeros({1, 2}));
  EXPECT_EQ(observer.names, (std::vector<std::string>{"Linear", "ReLU", "Sequential"}));
}

TEST(Chain, ErrorsNameTheLayer) {
  Sequential net{{"first", Conv2d(1, 3, 3)}, {"pool", MaxPool2d(2)}};
  try {
    net(zeros({1, 2, 6, 6}));
    FAIL() << "nothing was thrown";
  } catch (const ShapeError& error) {
    EXPECT_NE(std::string(error.what()).find("first"), std::string::npos) << error.what();
  }
}

TEST(Chain, ASequentialTrainsAsItsLayersDo) {
  const auto train = [](bool as_sequential) {
    manual_seed(5);
    Conv2d conv(1, 4, 3, {.padding = 1});
    ReLU relu_layer;
    MaxPool2d pool(2);
    Flatten flatten_layer;
    Linear linear_layer(64, 3);
    Sequential net{conv, relu_layer, pool, flatten_layer, linear_layer};
    SGD optimizer(net.parameters(), {.lr = 0.1});
    const Tensor x = randn({6, 1, 8, 8});
    const Tensor labels = from_values<std::int64_t>({0, 1, 2, 0, 1, 2}, {6});
    std::vector<double> losses;
    for (int step = 0; step < 5; ++step) {
      optimizer.zero_grad();
      const Tensor y = as_sequential ? net(x) : linear_layer(flatten_layer(pool(relu_layer(conv(x)))));
      const Tensor loss = cross_entropy(y, labels);
      loss.backward();
      optimizer.step();
      losses.push_back(loss.item());
    }
    return losses;
  };
  const std::vector<double> fused = train(true);
  const std::vector<double> separate = train(false);
  ASSERT_EQ(fused.size(), separate.size());
  for (std::size_t i = 0; i < fused.size(); ++i) EXPECT_NEAR(fused[i], separate[i], 1e-5) << "step " << i;
  EXPECT_LT(fused.back(), fused.front());
}

}  // namespace
}  // namespace gnn
