// The tape: what is recorded, in which order it runs, what it frees, and what it refuses.

#include <gtest/gtest.h>

#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/allocator.h"
#include "gnn/core/error.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/binary.h"
#include "gnn/layers/fill.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

class Autograd : public DeviceTest {
 protected:
  static Tensor leaf(const std::vector<float>& values) {
    Tensor x = from_values(values, {static_cast<std::int64_t>(values.size())}, device());
    return x.set_requires_grad();
  }
  static Tensor constant(const std::vector<float>& values) {
    return from_values(values, {static_cast<std::int64_t>(values.size())}, device());
  }
};

using Floats = std::vector<float>;

GNN_INSTANTIATE_FOR_DEVICES(Autograd);

TEST_P(Autograd, ChainAndFanOut) {
  const Tensor x = leaf({2, -3});
  const Tensor y = mul(x, x);            // x^2
  const Tensor z = add(y, x);            // x^2 + x, y used twice below
  mul(z, y).backward(constant({1, 1}));  // (x^2 + x) x^2 = x^4 + x^3
  EXPECT_EQ(x.grad().to_vector<float>(), (Floats{4 * 8 + 3 * 4, 4 * -27 + 3 * 9}));
}

TEST_P(Autograd, GradientsAccumulateInPlaceOverPasses) {
  Tensor x = leaf({1, 2});
  relu(x).backward(constant({1, 1}));
  const Tensor seen = x.grad();
  relu(x).backward(constant({10, 10}));
  EXPECT_EQ(seen.to_vector<float>(), (Floats{11, 11})) << "the same tensor, added to";
  x.set_grad({});
  EXPECT_FALSE(x.grad().defined());
}

TEST_P(Autograd, TheLeafOwnsItsGradient) {
  const Tensor x = leaf({1});
  const Tensor y = leaf({1});
  const Tensor seed = constant({3});
  add(x, y).backward(seed);  // both inputs' gradients are the very same tensor as the seed
  Tensor gx = x.grad();
  gx.mutable_raw_data();
  if (device().is_cpu()) *gx.mutable_data<float>() = 100;
  EXPECT_EQ(y.grad().item(), 3);
  EXPECT_EQ(seed.item(), 3);
}

TEST_P(Autograd, AGradientDoesNotKeepItsLeafAlive) {
  const auto allocated = [] { return memory_stats(device()).allocated_bytes; };
  const auto before = allocated();
  for (const bool itself : {true, false}) {
    Tensor x = leaf({1, 2});
    x.set_grad(itself ? x : x * 2.0);
    EXPECT_FALSE(x.grad().requires_grad());
    x = {};
    EXPECT_EQ(allocated(), before);
  }
}

TEST_P(Autograd, NothingIsRecordedWithoutNeed) {
  const Tensor x = leaf({1});
  {
    const NoGrad no_grad;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(relu(x).requires_grad());
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_TRUE(relu(x).requires_grad());
  EXPECT_FALSE(relu(constant({1})).requires_grad());
  EXPECT_FALSE(relu(x).detach().requires_grad());
  EXPECT_THROW(relu(constant({1})).backward(), AutogradError);
}

TEST_P(Autograd, OnlyNeededGradientsAreComputed) {
  const Tensor x = leaf({1, 2});
  const Tensor c = constant({3, 4});
  std::vector<bool> needed;
  const Tensor y = record("probe", add(x, c).detach(), {c, x}, [&needed](const Tensor& g, Gradients& grads) {
    needed = {grads.needed(0), grads.needed(1)};
    grads.set(1, g);
  });
  y.backward(constant({1, 1}));
  EXPECT_EQ(needed, (std::vector<bool>{false, true}));
}

TEST_P(Autograd, BackwardTwiceIsAClearErrorUnlessTheTapeIsRetained) {
  const Tensor x = leaf({1});
  const Tensor y = mul(x, x);
  y.backward({}, true);
  y.backward();
  EXPECT_EQ(x.grad().item(), 4);
  try {
    y.backward();
    FAIL() << "a freed tape ran again";
  } catch (const AutogradError& error) {
    EXPECT_NE(std::string(error.what()).find("the tape of mul was freed"), std::string::npos) << error.what();
  }
  EXPECT_EQ(x.grad().item(), 4) << "a refused backward changes nothing";
}

TEST_P(Autograd, AFreedPartOfASharedTapeIsFoundBeforeAnythingRuns) {
  const Tensor x = leaf({2});
  const Tensor shared = mul(x, x);
  const Tensor a = relu(shared);
  const Tensor b = add(shared, x);
  a.backward();
  EXPECT_THROW(b.backward(), AutogradError);
  EXPECT_EQ(x.grad().item(), 4);
}

TEST_P(Autograd, InPlaceChangeOfASavedTensorIsFound) {
  Tensor x = leaf({3});
  Tensor c = constant({2});
  const Tensor y = mul(x, c);
  c.mutable_raw_data();
  try {
    y.backward();
    FAIL() << "a changed saved tensor was used";
  } catch (const AutogradError& error) {
    EXPECT_NE(std::string(error.what()).find("changed in place"), std::string::npos) << error.what();
  }
}

TEST_P(Autograd, BackwardFreesWhatWasSavedAndDroppingAResultFreesItsTape) {
  const Tensor x = leaf(Floats(1000, 1.0F));
  const std::int64_t baseline = memory_stats(device()).allocated_bytes;
  {
    const Tensor y = relu(gnn::tanh(relu(x)));
    EXPECT_GT(memory_stats(device()).allocated_bytes, baseline);
  }
  EXPECT_EQ(memory_stats(device()).allocated_bytes, baseline) << "evaluation without backward";
  Tensor x2 = x;
  {
    const Tensor ones = constant(Floats(1000, 1.0F));
    const Tensor y = relu(gnn::tanh(relu(x)));
    y.backward(ones);
    x2.set_grad({});
    // y and ones remain; the intermediate results are gone although y is alive.
    EXPECT_LE(memory_stats(device()).allocated_bytes, baseline + 3 * (4096 + 2 * 512));
  }
  EXPECT_EQ(memory_stats(device()).allocated_bytes, baseline);
}

TEST_P(Autograd, AVeryLongTapeNeitherRecursesNorLeaks) {
  const Tensor x = leaf({1});
  const std::int64_t baseline = memory_stats(device()).allocated_bytes;
  const int length = device().is_cpu() ? 50'000 : 2'000;
  {
    Tensor y = x;
    for (int i = 0; i < length; ++i) y = relu(y);
  }  // destroyed without backward
  EXPECT_EQ(memory_stats(device()).allocated_bytes, baseline);
  Tensor y = x;
  for (int i = 0; i < length; ++i) y = relu(y);
  y.backward();
  EXPECT_EQ(x.grad().item(), 1);
}

TEST_P(Autograd, HooksSeeTheWholeGradientOnceAndMayReplaceIt) {
  Tensor x = leaf({1, 2});
  std::vector<Floats> seen;
  const int id = x.register_hook([&seen](const Tensor& g) {
    seen.push_back(g.to_vector<float>());
    return constant({-1, -2});
  });
  add(mul(x, x), x).backward(constant({1, 1}));
  EXPECT_EQ(seen, (std::vector<Floats>{{3, 5}}));
  EXPECT_EQ(x.grad().to_vector<float>(), (Floats{-1, -2}));
  x.remove_hook(id);
  x.set_grad({});
  relu(x).backward(constant({1, 1}));
  EXPECT_EQ(seen.size(), 1U);
  EXPECT_EQ(x.grad().to_vector<float>(), (Floats{1, 1}));
  x.register_hook([](const Tensor&) { return constant({1, 2, 3}); });
  EXPECT_THROW(relu(x).backward(constant({1, 1})), AutogradError);
  EXPECT_THROW(relu(x).register_hook([](const Tensor& g) { return g; }), AutogradError);
}

TEST_P(Autograd, ALeafItselfMayBeTheRoot) {
  const Tensor x = leaf({5});
  x.backward();
  x.backward(constant({2}));
  EXPECT_EQ(x.grad().item(), 3);
}

TEST_P(Autograd, ALossMayDoWithoutTheDefaultGradient) {
  const auto loss_of = [](const Tensor& x, int& defaults) {
    return record_loss("loss", full({}, 3.0, {.device = device()}), {x},
                       [&defaults](const Tensor& grad, Gradients& grads) {
                         defaults += grad.defined() ? 0 : 1;
                         grads.set(0, grad.defined() ? grad.alias({1}) : constant({1}));
                       });
  };
  const Tensor x = leaf({5});
  int defaults = 0;
  const Tensor loss = loss_of(x, defaults);
  loss.backward({}, true);
  EXPECT_EQ(defaults, 1);
  EXPECT_EQ(x.grad().item(), 1);
  loss.backward(full({}, 4.0, {.device = device()}));
  mul(loss_of(x, defaults), 2.0).backward();  // it is not what backward() starts from
  EXPECT_EQ(defaults, 1);
  EXPECT_EQ(x.grad().item(), 1 + 4 + 2);
}

TEST_P(Autograd, WrongUseIsRefusedWithWords) {
  Tensor x = leaf({1, 2});
  EXPECT_THROW(relu(x).backward(), AutogradError);  // not one element
  EXPECT_THROW(relu(x).backward(constant({1, 2, 3})), ShapeError);
  EXPECT_THROW(relu(x).backward(zeros({2}, {DType::float64, device()})), DTypeError);
  Tensor y = relu(x);
  EXPECT_THROW(y.set_requires_grad(), AutogradError);
  EXPECT_THROW(zeros({1}, {DType::int64, device()}).set_requires_grad(), DTypeError);
  EXPECT_THROW(x.set_grad(zeros({3}, {DType::float32, device()})), ShapeError);
  const Tensor bad =
      record("bad", zeros({2}, {DType::float32, device()}), {x}, [](const Tensor&, Gradients& grads) {
        grads.set(0, zeros({3}, {DType::float32, device()}));
      });
  try {
    bad.backward(constant({1, 1}));
    FAIL() << "a gradient of the wrong shape was taken";
  } catch (const AutogradError& error) {
    EXPECT_STREQ(error.what(),
                 "backward of bad: the gradient of input 0 should be float32 [2], got float32 [3]");
  }
}

TEST_P(Autograd, AFailedBackwardLeavesATapeThatSaysSo) {
  const Tensor x = leaf({1});
  const Tensor y = record("thrower", relu(x).detach(), {relu(x)},
                          [](const Tensor&, Gradients&) { throw ValueError("from the backward function"); });
  EXPECT_THROW(y.backward(), ValueError);
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace
}  // namespace gnn::testing
