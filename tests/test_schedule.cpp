#include "gnn/train/schedule.h"

#include <cmath>

#include "data/torch_optimizers.h"
#include "gnn/core/error.h"
#include "gnn/train/sgd.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

SGD optimizer_with(double lr) {
  return SGD({zeros({1})}, {.lr = lr});
}

/// The learning rates from now on, a step apart.
std::vector<double> rates(Schedule& schedule, std::size_t count) {
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) {
    result.push_back(schedule.lr());
    schedule.step();
  }
  return result;
}

/// PyTorch computes rates from the rates before them, which rounds some ten times.
void expect_rates(Schedule& schedule, const std::vector<double>& want, const std::string& what) {
  const Shape shape{std::ssize(want)};
  expect_close({shape, rates(schedule, want.size())}, {shape, want}, 5e-15, what);
}

TEST(Schedule, MatchesPyTorch) {
  const auto check = [](const std::vector<double>& want, const auto& make, const std::string& what) {
    SGD optimizer = optimizer_with(0.5);
    auto schedule = make(optimizer);
    expect_rates(schedule, want, what);
  };
  check(
      torch_values::step_lr, [](Optimizer& o) { return StepLR(o, 4, 0.3); }, "StepLR");
  check(
      torch_values::exponential_lr, [](Optimizer& o) { return ExponentialLR(o, 0.7); }, "ExponentialLR");
  check(
      torch_values::cosine_lr, [](Optimizer& o) { return CosineLR(o, 5, 0.02); }, "CosineLR");
  check(
      torch_values::warmup_step_lr, [](Optimizer& o) { return LinearWarmup(StepLR(o, 2, 0.3), 4, 0.25); },
      "LinearWarmup of StepLR");
  check(
      torch_values::warmup_cosine_lr, [](Optimizer& o) { return LinearWarmup(CosineLR(o, 6), 5); },
      "LinearWarmup of CosineLR");
}

TEST(Schedule, EndpointsAreExact) {
  SGD optimizer = optimizer_with(0.1);
  CosineLR cosine(optimizer, 7, 0.001);
  EXPECT_EQ(optimizer.lr(), 0.1);
  EXPECT_EQ(cosine.lr_at(0.1, 7), 0.001);
  EXPECT_EQ(cosine.lr_at(0.1, 14), 0.1);
  LinearWarmup warmup(cosine, 3, 0.5);
  EXPECT_EQ(optimizer.lr(), 0.05);
  EXPECT_EQ(warmup.lr_at(0.1, 3), 0.1);
  LinearWarmup none(cosine, 0, 0.5);
  EXPECT_EQ(optimizer.lr(), 0.1);
}

TEST(Schedule, EveryGroupHasItsBaseRate) {
  SGD optimizer({{.parameters = {zeros({1})}, .lr = 0.5}, {.parameters = {zeros({1})}, .lr = 0.25}});
  StepLR schedule(optimizer, 1, 0.5);
  schedule.step();
  EXPECT_EQ(optimizer.groups()[0].lr, 0.25);
  EXPECT_EQ(optimizer.groups()[1].lr, 0.125);
}

TEST(Schedule, ResumesFromItsState) {
  SGD optimizer = optimizer_with(0.1);
  LinearWarmup schedule(CosineLR(optimizer, 9), 3);
  for (int i = 0; i < 5; ++i) schedule.step();
  const ScheduleState state = schedule.state();
  EXPECT_EQ(state.steps, 5);

  SGD other = optimizer_with(0.7);
  LinearWarmup resumed(CosineLR(other, 9), 3);
  resumed.load_state(state);
  EXPECT_EQ(other.lr(), optimizer.lr());
  EXPECT_EQ(rates(resumed, 5), rates(schedule, 5));
}

TEST(Schedule, ArgumentsOutOfRange) {
  SGD optimizer = optimizer_with(0.1);
  EXPECT_THROW(StepLR(optimizer, 0), ValueError);
  EXPECT_THROW(StepLR(optimizer, 1, -1), ValueError);
  EXPECT_THROW(ExponentialLR(optimizer, std::nan("")), ValueError);
  EXPECT_THROW(CosineLR(optimizer, 0), ValueError);
  EXPECT_THROW(CosineLR(optimizer, 3, -1), ValueError);
  EXPECT_THROW(LinearWarmup(StepLR(optimizer, 1), -1), ValueError);
  EXPECT_THROW(LinearWarmup(StepLR(optimizer, 1), 1, 0), ValueError);
  EXPECT_THROW(LinearWarmup(StepLR(optimizer, 1), 1, 1.5), ValueError);
  StepLR schedule(optimizer, 1);
  EXPECT_THROW(schedule.load_state({.steps = -1, .base_lrs = {0.1}}), ValueError);
  EXPECT_THROW(schedule.load_state({.steps = 1, .base_lrs = {}}), ValueError);
  EXPECT_THROW(schedule.load_state({.steps = 1, .base_lrs = {-0.1}}), ValueError);
  EXPECT_EQ(optimizer.lr(), 0.1);
}

}  // namespace
}  // namespace gnn::testing
