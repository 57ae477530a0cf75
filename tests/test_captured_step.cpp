// CapturedStep by itself: what it records anew, what it keeps right, what it leaves behind.

#include "gnn/train/captured_step.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "gnn/core/allocator.h"
#include "support/captured_case.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

/// A network that is trained on batches which somebody copies to `inputs` and `labels`.
struct Loop {
  explicit Loop(Device device, bool capture = true)
      : step(device,
             [this] {
               ++calls;
               optimizer.zero_grad();
               Tensor loss = cross_entropy(model(inputs), labels);
               loss.backward();
               optimizer.step();
               return loss;
             },
             {.capture = capture, .parameters = model.parameters()}) {
    model.to(device);
    inputs = zeros({8, 1, 8, 8}, {.device = device});
    labels = zeros({8}, {.dtype = DType::int64, .device = device});
    manual_seed(9);
  }

  /// A step on other data, the same for the same number.
  double operator()(std::int64_t number) {
    Generator generator(static_cast<std::uint64_t>(number));
    inputs.copy_from(rand({8, 1, 8, 8}, {.device = inputs.device()}, &generator));
    std::vector<std::int64_t> classes;
    for (std::int64_t i = 0; i < 8; ++i) classes.push_back((i * number + i / 3) % 4);
    labels.copy_from(from_values(classes, {8}, labels.device()));
    return step().item();
  }

  Trained trained() {
    Trained result;
    note_model(result, model, optimizer);
    return result;
  }

  Sequential model = dropout_mlp();
  Adam optimizer{model.parameters(), {.lr = 0.02}};
  Tensor inputs;
  Tensor labels;
  int calls = 0;
  CapturedStep step;
};

class CapturedStepTest : public DeviceTest {
 protected:
  void SetUp() override { caching_ = set_caching(true); }
  void TearDown() override { set_caching(caching_); }

  /// Makes `steps` steps with and without capturing; `interfere` is called before each.
  static void expect_same(
      int steps, int captured, const std::function<void(Loop&, int step)>& interfere = [](Loop&, int) {}) {
    std::optional<Trained> want;
    for (const bool capture : {false, true}) {
      Loop loop(device(), capture);
      std::vector<double> losses;
      for (int i = 0; i < steps; ++i) {
        interfere(loop, i);
        losses.push_back(loop(i));
      }
      Trained trained = loop.trained();
      trained.losses = losses;
      if (!capture) {
        want = trained;
        EXPECT_EQ(loop.calls, steps);
        continue;
      }
      EXPECT_TRUE(trained == *want);
      EXPECT_EQ(loop.step.replays(), device().is_cuda() ? captured : 0) << loop.step.reason();
      EXPECT_EQ(loop.step.reason(), device().is_cuda() ? "" : "the device is the CPU");
    }
  }

 private:
  bool caching_ = true;
};

GNN_INSTANTIATE_FOR_DEVICES(CapturedStepTest);

TEST_P(CapturedStepTest, ReplaysGiveTheSameBits) {
  expect_same(6, 5);
}

TEST_P(CapturedStepTest, ARecordingRunsTheFunctionOnce) {
  Loop loop(device());
  for (int i = 0; i < 5; ++i) loop(i);
  EXPECT_EQ(loop.calls, device().is_cuda() ? 2 : 5);
}

TEST_P(CapturedStepTest, AnExceptionOfTheFunctionsOwnPassesAndIsForgotten) {
  struct Interrupted {};
  int calls = 0;
  Tensor sum = zeros({5}, {.device = device()});
  CapturedStep step(device(), [&] {
    if (++calls == 2) throw Interrupted{};
    sum.copy_from(add(sum, 1.0));
    return Tensor();
  });
  step();
  EXPECT_THROW(step(), Interrupted);
  EXPECT_EQ(calls, 2);
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(sum.to_vector<float>(), std::vector<float>(5, 4.0F));
  EXPECT_EQ(step.replays(), device().is_cuda() ? 3 : 0) << step.reason();
}

TEST_P(CapturedStepTest, MoreStepsThanAreSentAtATime) {
  Generator generator(1);
  const auto draw = [&](bool capture) {
    generator.manual_seed(8);
    Tensor sum = zeros({5}, {.device = device()});
    CapturedStep step(device(),
                      [&] {
                        sum.copy_from(add(mul(sum, 0.5), randn({5}, sum.options(), &generator)));
                        return Tensor();
                      },
                      {.capture = capture});
    for (int i = 0; i < 150; ++i) step();
    return std::pair(sum.to_vector<float>(), generator.state());
  };
  EXPECT_EQ(draw(true), draw(false));
}

TEST_P(CapturedStepTest, RatesSeedsAndWeightDecayMayChangeAtAnyTime) {
  expect_same(7, 6, [](Loop& loop, int step) {
    if (step == 2) loop.optimizer.set_lr(0.001);
    if (step == 3) loop.optimizer.groups()[0].weight_decay = 0.1;
    if (step == 4) manual_seed(77);
    if (step == 5) rand({13});
  });
}

TEST_P(CapturedStepTest, ALoadedOptimizerIsRecordedAnew) {
  OptimizerState saved;
  expect_same(6, 4, [&](Loop& loop, int step) {
    if (step == 2) {
      saved = loop.optimizer.state_dict();
      for (NamedTensor& named : saved.tensors) {
        const Tensor copy = empty_like(named.tensor);
        copy.alias(copy.shape()).copy_from(named.tensor);
        named.tensor = copy;
      }
    }
    if (step == 4) loop.optimizer.load_state_dict(saved);
  });
}

TEST_P(CapturedStepTest, AnOptimizerWithAnotherGroupIsRecordedAnew) {
  expect_same(7, 5, [](Loop& loop, int step) {
    if (step == 3) loop.optimizer.add_group({.parameters = {zeros({1}, {.device = device()})}});
    if (step == 5) loop.optimizer.groups()[0].lr = 0.001;
  });
}

TEST_P(CapturedStepTest, AFrozenParameterIsRecordedAnew) {
  expect_same(7, 5, [](Loop& loop, int step) {
    if (step == 3) loop.model.parameters()[0].set_requires_grad(false);
  });
}

TEST_P(CapturedStepTest, AnotherStreamIsRecordedAnew) {
  const Stream stream = Stream::create(device());
  std::optional<StreamGuard> guard;
  expect_same(7, 4, [&](Loop&, int step) {
    synchronize(device());  // the stream before
    guard.reset();
    if (step >= 3 && step < 6) guard.emplace(stream);
  });
}

TEST_P(CapturedStepTest, ResetRecordsAgain) {
  expect_same(6, 5, [](Loop& loop, int step) {
    if (step == 3) loop.step.reset();
  });
}

TEST_P(CapturedStepTest, PrecisionIsPartOfTheRecording) {
  expect_same(6, 4, [](Loop&, int step) { set_float32_matmul_precision(step == 3 ? "high" : "highest"); });
  set_float32_matmul_precision("highest");
}

// What others allocate in between must be none of the graph's memory.
TEST_P(CapturedStepTest, NobodyGetsTheRecordingsMemory) {
  std::vector<Tensor> others;
  expect_same(5, 4, [&](Loop&, int step) {
    for (const std::int64_t size : {10, 500, 5000, 200000}) {
      others.push_back(empty({size}, {.device = device()}));
      others.back().copy_from(full({size}, 1e30, {.device = device()}));
    }
    if (step % 2 == 1) others.clear();
    empty_cache(device());
  });
}

// A segment of which nothing is in use between steps, but which every step uses.
TEST_P(CapturedStepTest, NobodyGetsTheRecordingsTemporaries) {
  Tensor sum = zeros({4}, {.device = device()});
  CapturedStep step(device(), [&] {
    const Tensor temporary = full({300000}, 2.0, {.device = device()});
    sum.copy_from(add(sum, temporary.alias({4}, 1000)));
    return Tensor();
  });
  for (int i = 0; i < 4; ++i) {
    step();
    empty_cache(device());
    const Tensor other = full({300000}, 1e30, {.device = device()});
  }
  EXPECT_EQ(sum.to_vector<float>(), std::vector<float>(4, 8.0F));
  EXPECT_EQ(step.replays(), device().is_cuda() ? 3 : 0) << step.reason();
}

TEST_P(CapturedStepTest, ItsMemoryGoesWithIt) {
  const auto reserved = [] {
    empty_cache(device());
    return memory_stats(device()).reserved_bytes;
  };
  {
    Loop first(device());  // what is made once
    first(1);
  }
  const std::int64_t before = reserved();
  {
    Loop loop(device());
    for (int i = 0; i < 4; ++i) loop(i);
    const std::int64_t during = reserved();
    loop.step.reset();
    loop.optimizer.zero_grad();
    EXPECT_EQ(during, reserved()) << "the next recording uses it again";
  }
  EXPECT_EQ(reserved(), before);
}

TEST_P(CapturedStepTest, GradientsOutliveIt) {
  Loop reference(device(), false);
  std::vector<std::vector<float>> want;
  for (int i = 0; i < 3; ++i) reference(i);
  for (const Tensor& parameter : reference.model.parameters())
    want.push_back(parameter.grad().to_vector<float>());
  std::vector<Tensor> grads;
  {
    Loop loop(device());
    for (int i = 0; i < 3; ++i) loop(i);
    for (const Tensor& parameter : loop.model.parameters()) grads.push_back(parameter.grad());
  }
  const Tensor other = full({100000}, 3.0, {.device = device()});
  for (std::size_t i = 0; i < grads.size(); ++i) EXPECT_EQ(grads[i].to_vector<float>(), want[i]);
  const std::int64_t frees = memory_stats(device()).driver_frees;
  grads.clear();
  EXPECT_EQ(memory_stats(device()).driver_frees, frees + (device().is_cuda() ? 1 : 0))
      << "nobody can use the rest of that memory";
}

// The step adds to gradients that are taken away after every second or third one.
TEST_P(CapturedStepTest, AccumulatedGradients) {
  const auto train = [&](bool capture) {
    Sequential model = dropout_mlp();
    model.to(device());
    manual_seed(3);
    SGD optimizer(model.parameters(), {.lr = 0.1});
    const Tensor inputs = rand({8, 1, 8, 8}, {.device = device()});
    const Tensor labels = from_values<std::int64_t>({0, 1, 2, 3, 3, 2, 1, 0}, {8}, device());
    CapturedStep step(device(),
                      [&] {
                        Tensor loss = cross_entropy(model(inputs), labels);
                        loss.backward();
                        return loss;
                      },
                      {.capture = capture, .parameters = model.parameters()});
    Trained trained;
    for (int i = 1; i <= 12; ++i) {
      trained.losses.push_back(step().item());
      if (i % 2 == 0 || i == 9) optimizer.step();
      if (i % 3 == 0) optimizer.zero_grad();
    }
    note_model(trained, model, optimizer);
    return trained;
  };
  EXPECT_TRUE(train(true) == train(false));
}

TEST_P(CapturedStepTest, ALoaderByHand) {
  const auto train = [&](bool capture, std::int64_t& replays) {
    Sequential model = small_lenet();
    model.to(device());
    SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9});
    DataLoader loader(striped_images(43), {.batch_size = 8, .shuffle = true, .device = device()});
    std::optional<DataLoader::Iterator> batch;
    std::vector<std::int64_t> sizes;
    CapturedStep step(device(),
                      [&] {
                        sizes.push_back((*batch)->size);
                        optimizer.zero_grad();
                        cross_entropy(model((*batch)->inputs), (*batch)->labels).backward();
                        optimizer.step();
                        ++*batch;
                        return Tensor();
                      },
                      {.capture = capture, .parameters = model.parameters()});
    for (int epoch = 0; epoch < 3; ++epoch) {
      int steps = 0;
      for (batch = loader.begin(); *batch != loader.end(); ++steps) {
        if (epoch == 1 && steps == 3) break;  // leaving early is fine
        step();
      }
    }
    replays = step.replays();
    Trained trained;
    note_model(trained, model, optimizer);
    return trained;
  };
  std::int64_t none = 0;
  std::int64_t replays = 0;
  EXPECT_TRUE(train(false, none) == train(true, replays));
  EXPECT_EQ(none, 0);
  EXPECT_EQ(replays, device().is_cuda() ? 4 + 3 + 5 : 0);
}

// Epochs of two loaders in turn, with batches of 8 and of 5.
TEST_P(CapturedStepTest, AnotherBatchSizeIsRecordedAnew) {
  const auto train = [&](bool capture, std::int64_t& replays) {
    Sequential model = dropout_mlp();
    model.to(device());
    manual_seed(1);
    SGD optimizer(model.parameters(), {.lr = 0.05});
    DataLoader eights(striped_images(48), {.batch_size = 8, .shuffle = true, .device = device()});
    DataLoader fives(striped_images(30, 2), {.batch_size = 5, .shuffle = true, .device = device()});
    std::optional<DataLoader::Iterator> batch;
    CapturedStep step(device(),
                      [&] {
                        optimizer.zero_grad();
                        cross_entropy(model((*batch)->inputs), (*batch)->labels).backward();
                        optimizer.step();
                        ++*batch;
                        return Tensor();
                      },
                      {.capture = capture, .parameters = model.parameters()});
    for (int epoch = 0; epoch < 4; ++epoch) {
      for (batch = (epoch % 2 == 0 ? eights : fives).begin(); *batch != std::default_sentinel;) step();
    }
    replays = step.replays();
    Trained trained;
    note_model(trained, model, optimizer);
    return trained;
  };
  std::int64_t none = 0;
  std::int64_t replays = 0;
  EXPECT_TRUE(train(false, none) == train(true, replays));
  EXPECT_EQ(replays, device().is_cuda() ? 4 * 5 : 0)
      << "the first step of each epoch runs, the second records";
}

TEST_P(CapturedStepTest, ACapturedStepInAnotherBecomesPartOfIt) {
  Tensor sum = zeros({3}, {.device = device()});
  CapturedStep inner(device(), [&] {
    sum.copy_from(add(sum, 1.0));
    return Tensor();
  });
  CapturedStep outer(device(), [&] {
    inner();
    sum.copy_from(mul(sum, 2.0));
    return Tensor();
  });
  for (int i = 0; i < 4; ++i) outer();
  EXPECT_EQ(sum.to_vector<float>(), (std::vector<float>{30, 30, 30}));
}

TEST_P(CapturedStepTest, WhatItCannotRecordIsNamed) {
  const auto reason = [](const std::function<void()>& function) {
    CapturedStep step(device(), [&] {
      function();
      return Tensor();
    });
    for (int i = 0; i < 3; ++i) step();
    EXPECT_EQ(step.replays(), 0);
    return step.reason();
  };
  if (device().is_cpu()) {
    EXPECT_EQ(reason([] {}), "the device is the CPU");
    return;
  }
  Tensor x = zeros({2}, {.device = device()});
  x.set_requires_grad();
  const auto give_gradient = [&] { x.set_grad(zeros({2}, {.device = device()})); };
  SGD optimizer({x}, {.lr = 1, .momentum = 0.5});
  EXPECT_EQ(reason([&] {
              give_gradient();
              optimizer.step();
              optimizer.step();
            }),
            "SGD: a captured step makes one optimizer step");
  SGD late({x}, {.lr = 1, .momentum = 0.5});
  int calls = 0;
  EXPECT_EQ(
      reason([&] {
        give_gradient();
        if (++calls > 1) late.step();
      }),
      "SGD: the first update of parameter 0 cannot be part of a captured step, as the later ones differ "
      "from it");
  EXPECT_EQ(late.state_dict().scalars.front().value, 2) << "both updates that were made, no other";
  DataLoader loader(striped_images(80), {.batch_size = 8, .device = device()});
  DataLoader::Iterator batch = loader.begin();
  EXPECT_EQ(reason([&] {
              for (int i = 0; i < 2; ++i, ++batch) EXPECT_EQ(batch->size, 8);
            }),
            "DataLoader: a captured step takes one batch");
  EXPECT_EQ(batch->indices.front(), 6 * 8);
  EXPECT_EQ(reason([] { empty_cache(device()); }),
            "empty_cache cannot be part of a captured step: memory cannot be given back while recording");
  set_caching(false);
  EXPECT_EQ(reason([] {}), "memory is not cached (GNN_NO_CACHING)");
  set_caching(true);
}

TEST_P(CapturedStepTest, NoFunction) {
  EXPECT_THROW(CapturedStep(device(), nullptr), ValueError);
}

}  // namespace
}  // namespace gnn::testing
