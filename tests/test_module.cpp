#include "gnn/layers/module.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/core/error.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace {

using gnn::DType;
using gnn::Module;
using gnn::NamedTensor;
using gnn::Tensor;

using gnn::testing::message_of;
using gnn::testing::test_devices;

/// A layer with a parameter, a buffer and no bias that hands its input on.
class Leaf : public Module {
 public:
  explicit Leaf(std::vector<float> values = {1, 2})
      : Module("Leaf"),
        weight(parameter("weight", gnn::from_values(values, {static_cast<std::int64_t>(values.size())}))),
        bias(parameter("bias", Tensor())),
        count(buffer("count", gnn::from_values(std::vector<std::int64_t>{7}, {1}))) {}

  Tensor forward(const Tensor& input) override {
    gnn::check<gnn::ShapeError>(input.dim() == 1, "leaf: expected [N], got {}", input.shape());
    return input;
  }

  Tensor weight;
  Tensor bias;
  Tensor count;
};

class Block : public Module {
 public:
  Block() : Module("Block") {}
  Tensor forward(const Tensor& input) override { return second(first(input)); }

  Tensor scale = parameter("scale", gnn::from_values(std::vector<float>{3}, {1}));
  Leaf first = child("first", Leaf());
  Leaf second = child("second", Leaf({5, 6, 7}));
};

class Net : public Module {
 public:
  Net() : Module("Net") {}
  Tensor forward(const Tensor& input) override { return head(block(input)); }

  Block block = child("block", Block());
  Leaf head = child("head", Leaf());

  using Module::adopt;
  using Module::buffer;
  using Module::child;
  using Module::parameter;
};

std::vector<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> result;
  for (const NamedTensor& entry : tensors) result.push_back(entry.name);
  return result;
}

TEST(Module, NamesFollowTheTree) {
  Net net;
  EXPECT_EQ(names(net.named_parameters()), (std::vector<std::string>{"block.scale", "block.first.weight",
                                                                     "block.second.weight", "head.weight"}));
  EXPECT_EQ(names(net.named_buffers()),
            (std::vector<std::string>{"block.first.count", "block.second.count", "head.count"}));
  EXPECT_EQ(
      names(net.state_dict()),
      (std::vector<std::string>{"block.scale", "block.first.weight", "block.first.count",
                                "block.second.weight", "block.second.count", "head.weight", "head.count"}));
  EXPECT_EQ(net.kind(), "Net");
  EXPECT_EQ(net.name(), "");
  EXPECT_EQ(net.block.second.name(), "second");
}

TEST(Module, ParametersAreLeavesAndBuffersAreNot) {
  Net net;
  for (const Tensor& tensor : net.parameters()) {
    EXPECT_TRUE(tensor.requires_grad());
    EXPECT_TRUE(tensor.is_leaf());
  }
  for (const NamedTensor& entry : net.named_buffers()) EXPECT_FALSE(entry.tensor.requires_grad());
  EXPECT_FALSE(net.head.bias.defined());
}

TEST(Module, CopiesAreHandles) {
  Net net;
  Net copy = net;
  EXPECT_TRUE(copy.block.first.weight.is_same(net.block.first.weight));
  copy.eval();
  EXPECT_FALSE(net.is_training());
  EXPECT_FALSE(net.block.second.is_training());
  net.head.train();
  EXPECT_TRUE(copy.head.is_training());
  EXPECT_FALSE(copy.is_training());
}

TEST(Module, ModeScopeGivesEachModuleItsModeBack) {
  Net net;
  net.block.second.eval();
  {
    const gnn::ModeScope scope(net, false);
    EXPECT_FALSE(net.is_training());
    EXPECT_FALSE(net.head.is_training());
    net.head.train();
  }
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.head.is_training());
  EXPECT_FALSE(net.block.second.is_training());
}

TEST(Module, SharedTensorsAndModulesCountOnce) {
  Net net;
  net.child("twin", net.head);
  net.parameter("tied", net.block.scale);
  EXPECT_EQ(net.parameters().size(), 4u);
  EXPECT_EQ(net.named_buffers().size(), 3u);
  EXPECT_EQ(net.state_dict().size(), 10u);
  EXPECT_EQ(net.head.name(), "twin");
  EXPECT_NO_THROW(net.load_state_dict(net.state_dict()));
}

TEST(Module, BadNamesAreRefused) {
  Net net;
  EXPECT_THROW(net.child("", Leaf()), gnn::ValueError);
  EXPECT_THROW(net.child("a.b", Leaf()), gnn::ValueError);
  EXPECT_THROW(net.child("head", Leaf()), gnn::ValueError);
  EXPECT_THROW(net.parameter("head", gnn::zeros({1})), gnn::ValueError);
  EXPECT_THROW(net.buffer("block", gnn::zeros({1})), gnn::ValueError);
  net.buffer("mean", gnn::zeros({1}));
  EXPECT_THROW(net.parameter("mean", gnn::zeros({1})), gnn::ValueError);
  EXPECT_THROW(net.parameter("labels", gnn::zeros({1}, {.dtype = DType::int64})), gnn::DTypeError);
  EXPECT_EQ(net.state_dict().size(), 8u);
}

TEST(Module, AModuleCannotContainItself) {
  Net outer;
  Net inner;
  outer.adopt("inner", inner);
  EXPECT_THROW(inner.adopt("outer", outer), gnn::ValueError);
  EXPECT_THROW(outer.adopt("self", outer), gnn::ValueError);
}

TEST(Module, LoadsAStateDict) {
  Net source;
  source.block.scale.mutable_data<float>()[0] = -1;
  source.head.count.mutable_data<std::int64_t>()[0] = 9;
  Net target;
  const Tensor handle = target.block.scale;
  target.load_state_dict(source.state_dict());
  EXPECT_EQ(handle.item(), -1);
  EXPECT_EQ(target.head.count.item(), 9);
  EXPECT_FALSE(handle.is_same(source.block.scale));
}

TEST(Module, AStateDictThatDoesNotFitChangesNothing) {
  Net source;
  source.block.scale.mutable_data<float>()[0] = -1;
  Net target;
  const std::vector<NamedTensor> whole = source.state_dict();

  std::vector<NamedTensor> state = whole;
  state.back().name = "head.total";
  state.push_back(state.front());
  const std::string message = message_of([&] { target.load_state_dict(state); });
  EXPECT_NE(message.find("missing: head.count"), std::string::npos) << message;
  EXPECT_NE(message.find("unexpected: head.total"), std::string::npos) << message;
  EXPECT_NE(message.find("repeated: block.scale"), std::string::npos) << message;

  state = whole;
  state.back().tensor = gnn::zeros({2}, {.dtype = DType::int64});
  EXPECT_THROW(target.load_state_dict(state), gnn::ShapeError);
  state.back().tensor = gnn::zeros({1});
  EXPECT_THROW(target.load_state_dict(state), gnn::DTypeError);
  state.back().tensor = Tensor();
  EXPECT_THROW(target.load_state_dict(state), gnn::ValueError);
  EXPECT_EQ(target.block.scale.item(), 3);
}

TEST(Module, MovesToADevice) {
  for (const gnn::Device device : test_devices()) {
    Net net;
    const Tensor handle = net.block.second.weight;
    net.to(device);
    EXPECT_EQ(handle.device(), device);
    EXPECT_EQ(net.head.count.device(), device);
    EXPECT_EQ(handle.to_vector<float>(), (std::vector<float>{5, 6, 7}));
    EXPECT_TRUE(handle.requires_grad());
    net.to(gnn::Device::cpu());
    EXPECT_EQ(net.head.weight.to_vector<float>(), (std::vector<float>{1, 2}));
  }
}

TEST(Module, CastsFloatingTensors) {
  for (const gnn::Device device : test_devices()) {
    Net net;
    net.to(device);
    const Tensor handle = net.block.second.weight;
    net.to(DType::float64);
    EXPECT_EQ(handle.dtype(), DType::float64);
    EXPECT_TRUE(handle.requires_grad());
    EXPECT_EQ(handle.to_vector<double>(), (std::vector<double>{5, 6, 7}));
    EXPECT_EQ(net.head.count.dtype(), DType::int64);
    EXPECT_THROW(net.to(DType::int32), gnn::DTypeError);
    EXPECT_EQ(net.head.weight.dtype(), DType::float64);
  }
}

TEST(Module, ZeroGradDropsGradients) {
  Net net;
  net.block.scale.set_grad(gnn::zeros({1}));
  net.zero_grad();
  EXPECT_FALSE(net.block.scale.grad().defined());
}

TEST(Module, ErrorsNameTheLayer) {
  Net net;
  const std::string message = message_of([&] { net(gnn::zeros({2, 2})); });
  EXPECT_NE(message.find("leaf: expected [N], got [2, 2]"), std::string::npos) << message;
  EXPECT_NE(message.find("block.first"), std::string::npos) << message;
}

/// Writes down what happens.
class Recorder : public gnn::ForwardObserver {
 public:
  void before(const Module& module, const Tensor&) override {
    events.push_back("> " + module.kind() + " " + gnn::LayerScope::path());
  }
  void after(const Module& module, const Tensor&, const Tensor& output) override {
    events.push_back("< " + module.kind() + " " + output.shape().to_string());
  }
  std::vector<std::string> events;
};

TEST(ForwardObserver, SeesLayersInOrderOfExecution) {
  Net net;
  Recorder recorder;
  net(gnn::zeros({2}));
  EXPECT_EQ(recorder.events,
            (std::vector<std::string>{"> Net ", "> Block block", "> Leaf block.first", "< Leaf [2]",
                                      "> Leaf block.second", "< Leaf [2]", "< Block [2]", "> Leaf head",
                                      "< Leaf [2]", "< Net [2]"}));
  {
    Recorder inner;
    net.head(gnn::zeros({1}));
    EXPECT_EQ(inner.events.size(), 2u);
  }
  net.head(gnn::zeros({1}));
  EXPECT_EQ(recorder.events.size(), 14u);
}

}  // namespace
