#include "gnn/layers/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/error.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/sequential.h"
#include "support/op_check.h"

namespace {

using gnn::Tensor;

/// Doubles the rows; knows its cost.
class Doubler : public gnn::Module {
 public:
  explicit Doubler(bool fail = false) : Module("Doubler"), fail_(fail) {}
  Tensor forward(const Tensor& input) override {
    EXPECT_FALSE(is_training());
    EXPECT_FALSE(gnn::grad_enabled());
    if (fail_) throw gnn::ShapeError("doubler: no");
    return gnn::zeros({2 * input.size(0), input.size(1)}, input.options());
  }
  std::string describe() const override { return "factor=2"; }
  std::int64_t flops(const gnn::Shape& input, const gnn::Shape& output) const override {
    return input.numel() + output.numel();
  }

  Tensor weight = parameter("weight", gnn::zeros({3, 4}));
  Tensor mean = buffer("mean", gnn::zeros({5}, {.dtype = gnn::DType::float64}));

 private:
  bool fail_;
};

class Net : public gnn::Module {
 public:
  Net() : Module("Net") {}
  Tensor forward(const Tensor& input) override { return body(first(first(input))); }

  Tensor scale = parameter("scale", gnn::zeros({7}));
  Doubler first = child("first", Doubler());
  gnn::Sequential body = child("body", gnn::Sequential(Doubler(), gnn::ReLU()));
  Doubler unused = child("unused", Doubler());
};

TEST(Summary, ListsLayersInOrderOfExecution) {
  Net net;
  const gnn::ModelSummary summary = gnn::summarize(net, {3, 10});
  std::vector<std::string> layers;
  for (const gnn::LayerSummary& layer : summary.layers) {
    layers.push_back(std::string(layer.depth, '>') + layer.path + " " + layer.layer + " " +
                     layer.output.to_string());
  }
  EXPECT_EQ(layers,
            (std::vector<std::string>{" Net() [24, 10]", ">first Doubler(factor=2) [6, 10]",
                                      ">first Doubler(factor=2) [12, 10]", ">body Sequential() [24, 10]",
                                      ">>body.0 Doubler(factor=2) [24, 10]", ">>body.1 ReLU() [24, 10]"}));
}

TEST(Summary, CountsEachParameterOnce) {
  Net net;
  const gnn::ModelSummary summary = gnn::summarize(net, {3, 10});
  std::vector<std::int64_t> parameters;
  for (const gnn::LayerSummary& layer : summary.layers) parameters.push_back(layer.parameters);
  EXPECT_EQ(parameters, (std::vector<std::int64_t>{7, 12, 0, 0, 12, 0}));
  EXPECT_EQ(summary.parameters, 7 + 3 * 12);  // `unused` too
  EXPECT_EQ(summary.parameter_bytes, 4 * summary.parameters);
  EXPECT_EQ(summary.buffer_bytes, 3 * 5 * 8);
}

TEST(Summary, AddsUpFlopsAndMemory) {
  Net net;
  const gnn::ModelSummary summary = gnn::summarize(net, {3, 10});
  const std::int64_t relu = gnn::ReLU().flops({24, 10}, {24, 10});
  EXPECT_EQ(summary.layers[1].flops, 30 + 60);
  EXPECT_EQ(summary.flops, 30 + 60 + 60 + 120 + 120 + 240 + relu);
  EXPECT_EQ(summary.output_bytes, 4 * (60 + 120 + 240 + 240));
}

TEST(Summary, LeavesTheModelAsItWas) {
  Net net;
  net.body.eval();
  gnn::summarize(net, {3, 10});
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.first.is_training());
  EXPECT_FALSE(net.body[0].is_training());
  net.body.push_back(Doubler(true));
  EXPECT_THROW(gnn::summarize(net, {3, 10}), gnn::ShapeError);
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(gnn::grad_enabled());
}

TEST(Summary, RunsOnTheModelsDevice) {
  for (const gnn::Device device : gnn::testing::test_devices()) {
    Net net;
    net.to(device);
    EXPECT_EQ(gnn::summarize(net, {3, 10}).layers.size(), 6u);
  }
}

TEST(Summary, TableForPeople) {
  Net net;
  EXPECT_EQ("\n" + gnn::summary(net, {3, 10}), R"(
Layer                       Output    Parameters  FLOPs  Output memory
----------------------------------------------------------------------
Net()                       [24, 10]           7                 960 B
  first: Doubler(factor=2)  [6, 10]           12     90          240 B
  first: Doubler(factor=2)  [12, 10]                180          480 B
  body: Sequential()        [24, 10]                             960 B
    0: Doubler(factor=2)    [24, 10]          12    360          960 B
    1: ReLU()               [24, 10]                240          960 B
----------------------------------------------------------------------
Input             [3, 10]
Parameters        43 (172 B)
Buffers           120 B
FLOPs             870 per forward pass
Training memory   3.03 KiB (parameters, gradients and layer outputs)
)");
}

}  // namespace
