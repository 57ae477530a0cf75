#include "gnn/train/schedule.h"

#include <cmath>
#include <memory>

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

// LinearWarmup, compared with PyTorch above, is made of these.
TEST(Schedule, LinearEndsAtItsEndFactor) {
  SGD optimizer = optimizer_with(0.5);
  LinearLR schedule(optimizer, 0.5, 0.25, 4);
  EXPECT_EQ(rates(schedule, 7), (std::vector<double>{0.25, 0.21875, 0.1875, 0.15625, 0.125, 0.125, 0.125}));
}

TEST(Schedule, SequenceStartsEachAtItsMilestone) {
  SGD optimizer = optimizer_with(1);
  const auto halve = std::make_shared<ExponentialLR>(optimizer, 0.5);
  const auto quarter = std::make_shared<ExponentialLR>(optimizer, 0.25);
  const auto drop = std::make_shared<StepLR>(optimizer, 1, 0);
  SequentialLR schedule({halve, quarter, drop}, {2, 4});
  EXPECT_EQ(rates(schedule, 7), (std::vector<double>{1, 0.5, 1, 0.25, 1, 0, 0}));
}

/// base + step * (group + 1)
class Climb : public Schedule {
 public:
  explicit Climb(Optimizer& optimizer) : Schedule(optimizer) { apply(); }
  double lr_at(double base_lr, std::int64_t step) const override { return group_lr_at(0, base_lr, step); }
  double group_lr_at(std::size_t group, double base_lr, std::int64_t step) const override {
    return base_lr + static_cast<double>(step) * static_cast<double>(group + 1);
  }
};

TEST(Schedule, AFormulaMayDifferBetweenGroups) {
  SGD optimizer({{.parameters = {zeros({1})}, .lr = 1}, {.parameters = {zeros({1})}, .lr = 2}});
  const auto climb = std::make_shared<Climb>(optimizer);
  SequentialLR schedule({climb, climb}, {2});
  const std::vector<double> first{1, 2, 1, 2, 3};
  const std::vector<double> second{2, 4, 2, 4, 6};
  for (std::size_t i = 0; i + 1 < first.size(); ++i) {
    EXPECT_EQ(optimizer.groups()[0].lr, first[i]);
    EXPECT_EQ(optimizer.groups()[1].lr, second[i]);
    EXPECT_EQ(schedule.lr_after(1, 1), second[i + 1]);
    schedule.step();
  }
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
  EXPECT_THROW(LinearLR(optimizer, 0), ValueError);
  EXPECT_THROW(LinearLR(optimizer, 1, 1.5), ValueError);
  EXPECT_THROW(LinearLR(optimizer, 1, 1, -1), ValueError);
  SGD other = optimizer_with(0.1);
  const auto a = std::make_shared<StepLR>(optimizer, 1);
  const auto of_another = std::make_shared<StepLR>(other, 1);
  EXPECT_THROW(SequentialLR({}, {}), ValueError);
  EXPECT_THROW(SequentialLR({nullptr}, {}), ValueError);
  EXPECT_THROW(SequentialLR({a, nullptr}, {1}), ValueError);
  EXPECT_THROW(SequentialLR({a, a}, {}), ValueError);
  EXPECT_THROW(SequentialLR({a, a, a}, {3, 2}), ValueError);
  EXPECT_THROW(SequentialLR({a, a}, {-1}), ValueError);
  EXPECT_THROW(SequentialLR({a, of_another}, {1}), ValueError);
  StepLR schedule(optimizer, 1);
  EXPECT_THROW(schedule.load_state({.steps = -1, .base_lrs = {0.1}}), ValueError);
  EXPECT_THROW(schedule.load_state({.steps = 1, .base_lrs = {}}), ValueError);
  EXPECT_THROW(schedule.load_state({.steps = 1, .base_lrs = {-0.1}}), ValueError);
  EXPECT_EQ(optimizer.lr(), 0.1);
}

}  // namespace
}  // namespace gnn::testing
