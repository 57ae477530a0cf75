// Trainer with captured steps: the same results, bit for bit, as without.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gnn/core/allocator.h"
#include "support/captured_case.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

/// A training run, to be made with and without captured steps.
struct Job {
  std::function<Sequential()> model = small_lenet;
  std::function<std::unique_ptr<Optimizer>(Module&)> optimizer = [](Module& net) {
    return std::make_unique<SGD>(net.parameters(),
                                 SGDOptions{.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3});
  };
  std::function<std::unique_ptr<Schedule>(Optimizer&)> schedule = {};
  bool schedule_every_step = false;
  LossFunction loss = {};
  FitOptions options = {.epochs = 3, .progress = false};
  std::int64_t samples = 26;  // in batches of 8: three, and one of 2
  bool drop_last = false;
  bool validate = false;
  bool keep_on_device = true;
  std::int64_t stop_after = 0;  // steps; 0: never
};

/// Stops a trainer in the middle of an epoch: from its lr_at(), which runs on the host after every step.
class StoppingLR : public Schedule {
 public:
  StoppingLR(Optimizer& optimizer, Trainer& trainer, std::int64_t after)
      : Schedule(optimizer), trainer_(trainer), after_(after) {}
  double lr_at(double base_lr, std::int64_t step) const override {
    if (step == steps() && step == after_) trainer_.stop();
    return base_lr;
  }

 private:
  Trainer& trainer_;
  std::int64_t after_;
};

struct Outcome {
  Trained trained;
  History history;
};

Outcome run(const Job& job, Device device, bool capture) {
  Sequential model = job.model();
  model.to(device);
  const std::unique_ptr<Optimizer> optimizer = job.optimizer(model);
  DataLoader train(striped_images(job.samples), {.batch_size = 8,
                                                 .shuffle = true,
                                                 .seed = 5,
                                                 .drop_last = job.drop_last,
                                                 .device = device,
                                                 .keep_on_device = job.keep_on_device});
  DataLoader validation(striped_images(20, 2), {.batch_size = 16, .device = device});
  Trainer trainer(model, *optimizer, job.loss);
  std::unique_ptr<Schedule> schedule;
  if (job.schedule) schedule = job.schedule(*optimizer);
  if (job.stop_after > 0) schedule = std::make_unique<StoppingLR>(*optimizer, trainer, job.stop_after);
  FitOptions options = job.options;
  options.capture = capture;
  options.schedule = schedule.get();
  options.schedule_every_step = job.schedule_every_step || job.stop_after > 0;
  if (job.validate) options.validation = &validation;
  manual_seed(6);
  Outcome outcome{.trained = {}, .history = trainer.fit(train, options)};
  for (const EpochResult& epoch : outcome.history.epochs) {
    outcome.trained.losses.push_back(epoch.train_loss);
    outcome.trained.losses.push_back(job.validate ? epoch.validation_loss : 0);
    outcome.trained.accuracies.push_back(epoch.train_accuracy);
    outcome.trained.rates.push_back(epoch.lr);
  }
  note_model(outcome.trained, model, *optimizer);
  return outcome;
}

class CapturedTraining : public DeviceTest {
 protected:
  void SetUp() override { caching_ = set_caching(true); }  // whatever GNN_NO_CACHING says
  void TearDown() override { set_caching(caching_); }

  /// Trains twice; `captured`: how many steps must have been replays on CUDA.
  static void expect_same(const Job& job, std::int64_t captured) {
    const Outcome plain = run(job, device(), false);
    const Outcome replayed = run(job, device(), true);
    EXPECT_TRUE(replayed.trained == plain.trained) << "captured training gave other results";
    EXPECT_EQ(replayed.history.steps, plain.history.steps);
    EXPECT_EQ(plain.history.captured_steps, 0);
    if (device().is_cuda()) {
      EXPECT_EQ(replayed.history.captured_steps, captured);
      EXPECT_EQ(replayed.history.capture_reason, "");
      EXPECT_EQ(plain.history.capture_reason, "capturing is turned off");
    } else {
      EXPECT_EQ(replayed.history.captured_steps, 0);
      EXPECT_EQ(replayed.history.capture_reason, "the device is the CPU");
    }
    const double last = plain.trained.losses[plain.trained.losses.size() - 2];
    EXPECT_LT(last, plain.trained.losses.front()) << "it should learn something";
  }

  /// Trains where steps cannot be captured; the reason has these words.
  static void expect_reason(Job job, const std::vector<std::string>& words) {
    job.samples = 18;
    job.options.epochs = 1;
    const Outcome plain = run(job, device(), false);
    const Outcome tried = run(job, device(), true);
    EXPECT_TRUE(tried.trained == plain.trained) << "it changed the results to find that out";
    EXPECT_EQ(tried.history.captured_steps, 0);
    if (device().is_cpu()) return;
    for (const std::string& word : words) {
      EXPECT_NE(tried.history.capture_reason.find(word), std::string::npos) << tried.history.capture_reason;
    }
  }

 private:
  bool caching_ = true;
};

GNN_INSTANTIATE_FOR_DEVICES(CapturedTraining);

TEST_P(CapturedTraining, SmallLeNetWithMomentum) {
  expect_same({}, 3 * 3 - 1);  // all but the first and the smaller ones
}

TEST_P(CapturedTraining, DropoutAdamWarmupCosineAndClipping) {
  Job job;
  job.model = dropout_mlp;
  job.optimizer = [](Module& model) {
    return std::make_unique<Adam>(model.parameters(), AdamOptions{.lr = 0.02, .weight_decay = 1e-3});
  };
  job.schedule = [](Optimizer& optimizer) {
    return std::make_unique<LinearWarmup>(CosineLR(optimizer, 8, 1e-4), 4);
  };
  job.schedule_every_step = true;
  job.options.clip_grad_norm = 0.5;
  expect_same(job, 3 * 3 - 1);
}

TEST_P(CapturedTraining, AdamWWithGroupsAndASchedulePerEpoch) {
  Job job;
  job.drop_last = true;
  job.optimizer = [](Module& model) {
    const std::vector<Tensor> all = model.parameters();
    std::vector<GroupOptions> groups(2);
    groups[0] = {.parameters = {all.begin(), all.begin() + 4}, .lr = 0.01};
    groups[1] = {.parameters = {all.begin() + 4, all.end()}, .weight_decay = 0.1};
    return std::make_unique<AdamW>(std::move(groups), AdamWOptions{.lr = 0.004});
  };
  job.schedule = [](Optimizer& optimizer) { return std::make_unique<ExponentialLR>(optimizer, 0.7); };
  expect_same(job, 3 * 3 - 1);
}

TEST_P(CapturedTraining, PlainDescentValidationAndEarlyStopping) {
  Job job;
  job.optimizer = [](Module& model) {
    return std::make_unique<SGD>(model.parameters(), SGDOptions{.lr = 0.1});
  };
  job.validate = true;
  job.options.early_stopping.patience = 3;
  expect_same(job, 3 * 3 - 1);
}

/// Its rate depends on how often it was asked: no function of the step.
class MoodyLR : public Schedule {
 public:
  explicit MoodyLR(Optimizer& optimizer) : Schedule(optimizer) { apply(); }
  double lr_at(double base_lr, std::int64_t step) const override {
    return step == steps() ? base_lr * (1 + 0.1 * static_cast<double>(step % 3)) : base_lr / 7;
  }
};

TEST_P(CapturedTraining, AScheduleThatForeseesNothingIsSentStepByStep) {
  Job job;
  job.schedule = [](Optimizer& optimizer) { return std::make_unique<MoodyLR>(optimizer); };
  job.schedule_every_step = true;
  expect_same(job, 3 * 3 - 1);
}

// The callback changes what no replay could know of.
TEST_P(CapturedTraining, AfterEpochCallbacksTheStepIsCapturedAnew) {
  Job job;
  double factor = 1;
  job.loss = [&](const Tensor& output, const Tensor& labels) {
    return mul(cross_entropy(output, labels), factor);
  };
  job.options.on_epoch = {[&](Trainer&, const EpochResult& epoch) {
    factor = epoch.epoch == 3 ? 1 : 1 / static_cast<double>(1 + epoch.epoch);
  }};
  expect_same(job, 3 * 3 - 1);
}

// Outputs of another shape than [N, classes]: there is no accuracy, in no epoch.
TEST_P(CapturedTraining, NoClassification) {
  for (const bool capture : {false, true}) {
    Job job;
    job.model = [] {
      manual_seed(1);
      return Sequential(Conv2d(1, 1, 3));
    };
    job.loss = [](const Tensor& output, const Tensor&) { return mean(mul(output, output)); };
    const History history = run(job, device(), capture).history;
    ASSERT_EQ(history.epochs.size(), 3u);
    for (const EpochResult& epoch : history.epochs) EXPECT_TRUE(std::isnan(epoch.train_accuracy));
    EXPECT_EQ(history.captured_steps > 0, capture && device().is_cuda());
  }
}

TEST_P(CapturedTraining, OneBatchPerEpoch) {
  Job job;
  job.options.epochs = 4;
  job.samples = 8;
  expect_same(job, 3);
  job.samples = 5;  // never a full one
  expect_same(job, 3);
}

TEST_P(CapturedTraining, AFullAndASmallerBatchPerEpoch) {
  Job job;
  job.options.epochs = 4;
  job.samples = 11;
  // The smaller ones are captured, as the second step is one, and the full ones are the exception.
  expect_same(job, 4);
}

TEST_P(CapturedTraining, StoppingInTheMiddleOfAnEpoch) {
  Job job;
  job.model = dropout_mlp;
  job.samples = 42;
  for (const std::int64_t steps : {1, 3, 8}) {
    job.stop_after = steps;
    const Outcome plain = run(job, device(), false);
    const Outcome replayed = run(job, device(), true);
    EXPECT_TRUE(plain.history.stopped && replayed.history.stopped);
    EXPECT_EQ(plain.history.steps, steps);
    EXPECT_EQ(replayed.history.steps, steps);
    EXPECT_TRUE(replayed.trained == plain.trained) << "after " << steps << " steps";
  }
}

// What cannot be captured, and what is said about it.

TEST_P(CapturedTraining, ALossThatIsRead) {
  Job job;
  double sum = 0;
  job.loss = [&](const Tensor& output, const Tensor& labels) {
    Tensor loss = cross_entropy(output, labels);
    sum += loss.item();
    return loss;
  };
  expect_reason(job, {"item cannot be part of a captured step: it waits for the device"});
}

TEST_P(CapturedTraining, ALossThatReadsPredictions) {
  Job job;
  job.loss = [](const Tensor& output, const Tensor& labels) {
    if (accuracy(output.detach(), labels) < 0) ADD_FAILURE();
    return cross_entropy(output, labels);
  };
  expect_reason(job, {"reading a tensor's elements on the host"});
}

TEST_P(CapturedTraining, ALossWithValuesFromTheHost) {
  Job job;
  job.loss = [](const Tensor& output, const Tensor& labels) {
    const Tensor weight = from_values<float>({1, 2, 1, 2}, {4}, output.device());
    return cross_entropy(output, labels, {.weight = weight});
  };
  expect_reason(job, {"a copy from cpu to cuda:0 cannot be part of a captured step"});
}

TEST_P(CapturedTraining, ALossThatComputesOnTheCpu) {
  Job job;
  job.loss = [](const Tensor& output, const Tensor& labels) {
    add(zeros({2}), 1.0);
    return cross_entropy(output, labels);
  };
  expect_reason(job, {" on cpu cannot be part of a captured step"});
}

TEST_P(CapturedTraining, ALossOnAnotherStream) {
  Job job;
  const Stream stream = Stream::create(device());
  job.loss = [&](const Tensor& output, const Tensor& labels) {
    synchronize(output.device());
    const StreamGuard guard(stream);
    Tensor loss = cross_entropy(output, labels);
    synchronize(output.device());
    return loss;
  };
  expect_reason(job, {"synchronize cannot be part of a captured step"});
  job.loss = [&](const Tensor& output, const Tensor& labels) {
    { const StreamGuard guard(stream); }
    return cross_entropy(output, labels);
  };
  expect_reason(job, {"StreamGuard cannot be part of a captured step"});
}

TEST_P(CapturedTraining, ALossThatSeeds) {
  Job job;
  job.loss = [](const Tensor& output, const Tensor& labels) {
    manual_seed(1);
    return cross_entropy(output, labels);
  };
  expect_reason(job, {"seeding a generator cannot be part of a captured step"});
}

TEST_P(CapturedTraining, HooksOfGradients) {
  Job job;
  job.model = [] {
    Sequential net = small_lenet();
    Tensor weight = net.parameters()[0];
    weight.register_hook([](const Tensor& grad) { return mul(grad, 0.5); });
    return net;
  };
  expect_reason(job, {"a gradient's hook cannot be part of a captured step"});
}

TEST_P(CapturedTraining, BatchesThatAreFilledOnTheHost) {
  Job job;
  job.keep_on_device = false;
  expect_reason(job, {"DataLoader: batches that are filled on the host"});
}

TEST_P(CapturedTraining, StepCallbacks) {
  Job job;
  double sum = 0;
  job.options.on_step = {[&](Trainer&, std::int64_t, const Tensor& loss) { sum += loss.item(); }};
  expect_reason(job, {"on_step callbacks run between steps"});
}

TEST_P(CapturedTraining, TheReasonIsSaidOnce) {
  Job job;
  job.samples = 18;
  job.options.epochs = 2;
  job.keep_on_device = false;
  job.options.progress = true;
  const auto mentions = [&](const Job& what, bool capture) {
    ::testing::internal::CaptureStderr();
    run(what, device(), capture);
    const std::string text = ::testing::internal::GetCapturedStderr();
    int count = 0;
    for (std::size_t at = text.find("not captured: "); at != std::string::npos;
         at = text.find("not captured: ", at + 1))
      ++count;
    return count;
  };
  EXPECT_EQ(mentions(job, true), device().is_cuda() ? 1 : 0);
  EXPECT_EQ(mentions(job, false), 0) << "it was asked for";
  job.keep_on_device = true;
  EXPECT_EQ(mentions(job, true), 0);
}

TEST_P(CapturedTraining, ErrorsOfTheLossComeThrough) {
  Job job;
  int calls = 0;
  job.loss = [&](const Tensor& output, const Tensor& labels) {
    if (++calls >= 2) throw ValueError("a loss that fails");
    return cross_entropy(output, labels);
  };
  EXPECT_THROW(run(job, device(), true), ValueError);
}

}  // namespace
}  // namespace gnn::testing
