#include "gnn/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/error.h"
#include "gnn/core/generator.h"
#include "gnn/layers/binary.h"
#include "gnn/layers/cross_entropy.h"
#include "gnn/layers/linear.h"
#include "gnn/layers/mlp.h"
#include "gnn/layers/mse_loss.h"
#include "gnn/layers/reduce.h"
#include "gnn/train/checkpoint.h"
#include "gnn/train/sgd.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

/// Points on the plane, their class whether x > y; `flipped`: whether not.
TensorDataset points(std::int64_t count, std::uint64_t seed, bool flipped = false) {
  const std::vector<double> values = random_values(2 * count, -1, 1, seed);
  std::vector<float> inputs;
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    inputs.push_back(static_cast<float>(values[i]));
    inputs.push_back(static_cast<float>(values[i + 1]));
    labels.push_back((values[i] > values[i + 1]) != flipped ? 1 : 0);
  }
  return {from_values(inputs, {count, 2}), from_values(labels, {count})};
}

Linear classifier(Device device, std::uint64_t seed = 1) {
  manual_seed(seed);
  Linear model(2, 2);
  model.to(device);
  return model;
}

const FitOptions quiet{.progress = false};

FitOptions epochs(std::int64_t count) {
  FitOptions options = quiet;
  options.epochs = count;
  return options;
}

class TrainerTest : public DeviceTest {
 protected:
  static DataLoader loader(const TensorDataset& data, std::int64_t batch_size, bool shuffle = false) {
    return DataLoader(data, {.batch_size = batch_size, .shuffle = shuffle, .seed = 3, .device = device()});
  }
};

GNN_INSTANTIATE_FOR_DEVICES(TrainerTest);

TEST_P(TrainerTest, LearnsToSeparate) {
  DataLoader train = loader(points(200, 1), 16, true);
  DataLoader validation = loader(points(100, 2), 64);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.5, .momentum = 0.9});
  Trainer trainer(model, optimizer);
  FitOptions options = epochs(8);
  options.validation = &validation;
  const History history = trainer.fit(train, options);
  ASSERT_EQ(history.epochs.size(), 8u);
  EXPECT_EQ(history.steps, 8 * 13);
  EXPECT_LT(history.epochs.back().train_loss, history.epochs.front().train_loss / 2);
  EXPECT_GE(history.epochs.back().train_accuracy, 0.95);
  EXPECT_GE(history.epochs.back().validation_accuracy, 0.95);
  EXPECT_GT(history.samples_per_second, 0);
  EXPECT_FALSE(history.stopped || history.stopped_early);
}

TEST_P(TrainerTest, TheSameSeedGivesTheSameWeights) {
  const auto weights = [&](std::uint64_t seed) {
    DataLoader train = loader(points(200, 1), 16, true);
    Linear model = classifier(device(), seed);
    SGD optimizer(model.parameters(), {.lr = 0.5, .momentum = 0.9});
    Trainer(model, optimizer).fit(train, epochs(2));
    return sha256(model);
  };
  EXPECT_EQ(weights(1), weights(1));
  EXPECT_NE(weights(1), weights(2));
}

// 110 samples in batches of 1 and 7 and 64: more steps than are read at once, and last batches that are
// smaller. A learning rate of 0 leaves the model as it is, so that all must agree with the loss of all
// samples at once.
TEST_P(TrainerTest, MetricsAreMeansOverTheSamples) {
  const TensorDataset data = points(110, 4);
  Linear model = classifier(Device::cpu());
  const NoGrad no_grad;
  const double loss = cross_entropy(model(data.inputs), data.labels).item();
  const double share = accuracy(model(data.inputs), data.labels);
  ASSERT_GT(share, 0);
  ASSERT_LT(share, 1);
  model.to(device());
  for (const std::int64_t batch_size : {1, 7, 64, 110}) {
    DataLoader batches = loader(data, batch_size);
    SGD optimizer(model.parameters(), {.lr = 0});
    Trainer trainer(model, optimizer);
    const Evaluation evaluation = trainer.evaluate(batches);
    EXPECT_NEAR(evaluation.loss, loss, 1e-6);  // float32 losses of order 1
    EXPECT_DOUBLE_EQ(evaluation.accuracy, share);
    EXPECT_EQ(evaluation.samples, 110);
  }
}

TEST_P(TrainerTest, TrainingMetricsAreThoseOfTheSteps) {
  const TensorDataset data = points(110, 4);
  for (const std::int64_t batch_size : {1, 7, 64, 110}) {
    DataLoader batches = loader(data, batch_size);
    Linear model = classifier(device());
    SGD optimizer(model.parameters(), {.lr = 0});
    Trainer trainer(model, optimizer);
    const Evaluation evaluation = trainer.evaluate(batches);
    const EpochResult result = trainer.fit(batches, quiet).epochs.at(0);
    EXPECT_NEAR(result.train_loss, evaluation.loss, 1e-6);
    EXPECT_DOUBLE_EQ(result.train_accuracy, evaluation.accuracy);
  }
}

TEST_P(TrainerTest, EvaluationFindsTheMistakes) {
  const TensorDataset data = points(50, 5);
  DataLoader batches = loader(data, 8, true);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  Trainer trainer(model, optimizer);
  const Evaluation evaluation = trainer.evaluate(batches);
  EXPECT_TRUE(model.is_training());
  ASSERT_TRUE(evaluation.confusion.has_value());
  EXPECT_EQ(evaluation.confusion->total(), 50);
  EXPECT_EQ(static_cast<std::int64_t>(evaluation.misclassified.size()), 50 - evaluation.confusion->correct());
  ASSERT_FALSE(evaluation.misclassified.empty());
  model.to(Device::cpu());
  const std::vector<std::int64_t> predicted = predicted_classes(model(data.inputs));
  const auto labels = data.labels.to_vector<std::int64_t>();
  for (const Misclassified& sample : evaluation.misclassified) {
    const auto i = static_cast<std::size_t>(sample.index);
    EXPECT_EQ(sample.label, labels[i]);
    EXPECT_EQ(sample.predicted, predicted[i]);
    EXPECT_NE(sample.label, sample.predicted);
  }
}

TEST_P(TrainerTest, ANanLossNamesItsStep) {
  DataLoader train = loader(points(100, 1), 1);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  std::int64_t calls = 0;
  Trainer trainer(model, optimizer, [&](const Tensor& output, const Tensor& labels) {
    const Tensor loss = cross_entropy(output, labels);
    return ++calls == 57 ? mul(loss, std::numeric_limits<double>::quiet_NaN()) : loss;
  });
  const std::string message = message_of([&] { trainer.fit(train, quiet); });
  EXPECT_NE(message.find("the loss became NaN in step 57;"), std::string::npos) << message;
  EXPECT_LE(calls, 100);
  EXPECT_TRUE(model.is_training());
}

TEST_P(TrainerTest, AnAbsurdLearningRateIsAnError) {
  DataLoader train = loader(points(100, 1), 10);
  manual_seed(1);
  MLP model({2, 8, 8, 2});
  model.to(device());
  SGD optimizer(model.parameters(), {.lr = 1e10});
  Trainer trainer(model, optimizer);
  EXPECT_THROW(trainer.fit(train, epochs(3)), TrainingError);
}

TEST_P(TrainerTest, LossesOtherThanClassification) {
  const TensorDataset data{points(40, 6).inputs, points(40, 7).inputs};
  DataLoader train = loader(data, 16);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  Trainer trainer(model, optimizer,
                  [](const Tensor& output, const Tensor& labels) { return mse_loss(output, labels); });
  const History history = trainer.fit(train, epochs(3));
  EXPECT_LT(history.epochs[2].train_loss, history.epochs[0].train_loss);
  EXPECT_TRUE(std::isnan(history.epochs[2].train_accuracy));
  const Evaluation evaluation = trainer.evaluate(train);
  EXPECT_FALSE(evaluation.confusion.has_value());
  EXPECT_TRUE(std::isnan(evaluation.accuracy));
}

TEST_P(TrainerTest, ALossMustBeOneNumber) {
  DataLoader train = loader(points(10, 1), 5);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  Trainer trainer(model, optimizer, [](const Tensor& output, const Tensor&) { return output; });
  EXPECT_THROW(trainer.fit(train, quiet), ShapeError);
  EXPECT_THROW(trainer.evaluate(train), ShapeError);
}

TEST_P(TrainerTest, SchedulesPerEpochAndPerStep) {
  DataLoader train = loader(points(30, 1), 10);
  for (const bool every_step : {false, true}) {
    Linear model = classifier(device());
    SGD optimizer(model.parameters(), {.lr = 1});
    ExponentialLR schedule(optimizer, 0.5);
    FitOptions options = epochs(2);
    options.schedule = &schedule;
    options.schedule_every_step = every_step;
    const History history = Trainer(model, optimizer).fit(train, options);
    EXPECT_DOUBLE_EQ(history.epochs[0].lr, 1);
    EXPECT_DOUBLE_EQ(history.epochs[1].lr, every_step ? 0.125 : 0.5);
    EXPECT_EQ(schedule.steps(), every_step ? 6 : 2);
  }
}

TEST_P(TrainerTest, ClipsGradients) {
  DataLoader train = loader(points(10, 1), 10);
  Linear model = classifier(device());
  const std::vector<double> before = model.weight.to_doubles();
  SGD optimizer(model.parameters(), {.lr = 1});
  FitOptions options = quiet;
  options.clip_grad_norm = 1e-3;
  Trainer(model, optimizer).fit(train, options);
  const std::vector<double> after = model.weight.to_doubles();
  double squares = 0;
  for (std::size_t i = 0; i < before.size(); ++i) squares += (after[i] - before[i]) * (after[i] - before[i]);
  EXPECT_GT(squares, 0);
  EXPECT_LE(std::sqrt(squares), 1.001e-3);
}

TEST_P(TrainerTest, CallbacksSeeEveryStepAndEpoch) {
  DataLoader train = loader(points(30, 1), 10);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  Trainer trainer(model, optimizer);
  std::string events;
  FitOptions options = epochs(2);
  options.on_step = {[&](Trainer&, std::int64_t step, const Tensor& loss) {
    EXPECT_EQ(loss.numel(), 1);
    events += std::to_string(step);
  }};
  options.on_epoch = {[&](Trainer& from, const EpochResult& result) {
                        EXPECT_EQ(&from, &trainer);
                        events += "e" + std::to_string(result.epoch);
                      },
                      [&](Trainer&, const EpochResult&) { events += " "; }};
  trainer.fit(train, options);
  EXPECT_EQ(events, "123e1 456e2 ");
}

TEST_P(TrainerTest, ProgressIsToldWhoeverShowsIt) {
  DataLoader train = loader(points(300, 1), 2);  // the loss is read every 50 steps: twice, then at the end
  DataLoader validation = loader(points(10, 2), 10);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  std::vector<ProgressState> states;
  FitOptions options = epochs(2);
  options.validation = &validation;
  options.on_progress = [&](const ProgressState& state) { states.push_back(state); };
  Trainer trainer(model, optimizer);
  const History history = trainer.fit(train, options);
  std::int64_t finished = 0;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const ProgressState& state = states[i];
    EXPECT_EQ(state.label, "Epoch " + std::to_string(finished + 1) + "/2");
    EXPECT_EQ(state.total, 300);
    const bool first = i == 0 || states[i - 1].finished;
    EXPECT_EQ(state.done == 0, first);
    if (!first) {
      EXPECT_GE(state.done, states[i - 1].done);
      EXPECT_NE(state.note.find("loss "), std::string::npos) << state.note;
    }
    if (!state.finished) continue;
    ++finished;
    EXPECT_EQ(state.done, 300);
    EXPECT_NE(state.note.find("validation loss "), std::string::npos) << state.note;
  }
  EXPECT_EQ(finished, 2);
  EXPECT_GE(states.size(), 8u);

  options.on_progress = [](const ProgressState& state) {
    if (state.done > 0) throw std::runtime_error("enough");
  };
  EXPECT_THROW(trainer.fit(train, options), std::runtime_error);
}

TEST_P(TrainerTest, StopEndsTheFit) {
  DataLoader train = loader(points(30, 1), 10);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  Trainer trainer(model, optimizer);
  FitOptions options = epochs(5);
  options.on_step = {[](Trainer& from, std::int64_t step, const Tensor&) {
    if (step == 5) from.stop();
  }};
  const History history = trainer.fit(train, options);
  EXPECT_TRUE(history.stopped);
  EXPECT_EQ(history.steps, 5);
  EXPECT_EQ(history.epochs.size(), 1u);
  EXPECT_FALSE(trainer.fit(train, quiet).stopped);
  trainer.stop();
  EXPECT_EQ(trainer.fit(train, quiet).steps, 0);
}

// Validation has the opposite labels, so that every epoch makes it worse: the first is the best.
TEST_P(TrainerTest, EarlyStoppingGoesBackToTheBestEpoch) {
  DataLoader train = loader(points(100, 1), 10);
  DataLoader validation = loader(points(100, 2, true), 50);
  for (const bool restore : {true, false}) {
    Linear model = classifier(device());
    SGD optimizer(model.parameters(), {.lr = 0.5});
    std::vector<std::string> hashes;
    FitOptions options = epochs(10);
    options.validation = &validation;
    options.early_stopping = {.patience = 3, .restore_best = restore};
    options.on_epoch = {[&](Trainer&, const EpochResult&) { hashes.push_back(sha256(model)); }};
    const History history = Trainer(model, optimizer).fit(train, options);
    EXPECT_TRUE(history.stopped_early);
    EXPECT_EQ(history.best_epoch, 1);
    ASSERT_EQ(hashes.size(), 4u);
    EXPECT_EQ(sha256(model), restore ? hashes[0] : hashes[3]);
  }
}

TEST_P(TrainerTest, EarlyStoppingWaitsWhileItImproves) {
  DataLoader train = loader(points(100, 1), 10);
  DataLoader validation = loader(points(100, 2), 50);
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  FitOptions options = epochs(5);
  options.validation = &validation;
  options.early_stopping = {.patience = 1};
  const History history = Trainer(model, optimizer).fit(train, options);
  EXPECT_FALSE(history.stopped_early);
  EXPECT_EQ(history.best_epoch, 5);
  EXPECT_EQ(history.epochs.size(), 5u);
}

TEST_P(TrainerTest, OptionsThatMakeNoSense) {
  DataLoader train = loader(points(10, 1), 5);
  DataLoader nothing(points(3, 1), {.batch_size = 5, .drop_last = true, .device = device()});
  Linear model = classifier(device());
  SGD optimizer(model.parameters(), {.lr = 0.1});
  Trainer trainer(model, optimizer);
  EXPECT_THROW(trainer.fit(train, epochs(0)), ValueError);
  EXPECT_THROW(trainer.fit(nothing, quiet), ValueError);
  EXPECT_THROW(trainer.evaluate(nothing), ValueError);
  FitOptions options = quiet;
  options.validation = &nothing;
  EXPECT_THROW(trainer.fit(train, options), ValueError);
  options = quiet;
  options.early_stopping.patience = 1;
  EXPECT_THROW(trainer.fit(train, options), ValueError);
  options = quiet;
  options.clip_grad_norm = -1;
  EXPECT_THROW(trainer.fit(train, options), ValueError);
}

}  // namespace
}  // namespace gnn::testing
