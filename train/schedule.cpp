#include "gnn/train/schedule.h"

#include <cmath>
#include <numbers>

#include "gnn/core/check.h"

namespace gnn {
namespace {

void check_gamma(const char* schedule, double gamma) {
  check<ValueError>(std::isfinite(gamma) && gamma >= 0,
                    "{}: expected gamma to be finite and not negative, got {}", schedule, gamma);
}

}  // namespace

Schedule::Schedule(Optimizer& optimizer) : optimizer_(&optimizer) {
  for (const ParameterGroup& group : optimizer.groups()) state_.base_lrs.push_back(group.lr);
}

Schedule::Schedule(const Schedule* wrapped)
    : optimizer_(wrapped->optimizer_), state_{.steps = 0, .base_lrs = wrapped->state_.base_lrs} {}

Schedule::~Schedule() = default;

void Schedule::apply() {
  for (std::size_t g = 0; g < state_.base_lrs.size(); ++g) {
    optimizer_->groups()[g].lr = lr_at(state_.base_lrs[g], state_.steps);
  }
}

void Schedule::step() {
  ++state_.steps;
  apply();
}

double Schedule::lr_after(std::size_t group, std::int64_t steps) const {
  return lr_at(state_.base_lrs.at(group), state_.steps + steps);
}

void Schedule::load_state(const ScheduleState& state) {
  check<ValueError>(state.base_lrs.size() == state_.base_lrs.size(),
                    "schedule: expected the base rates of {} parameter groups, got {}",
                    state_.base_lrs.size(), state.base_lrs.size());
  check<ValueError>(state.steps >= 0, "schedule: expected steps to be at least 0, got {}", state.steps);
  for (const double lr : state.base_lrs) detail::check_setting("schedule", "base rate", lr);
  state_ = state;
  apply();
}

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma)
    : Schedule(optimizer), step_size_(step_size), gamma_(gamma) {
  check<ValueError>(step_size >= 1, "StepLR: expected step_size to be at least 1, got {}", step_size);
  check_gamma("StepLR", gamma);
  apply();
}

double StepLR::lr_at(double base_lr, std::int64_t step) const {
  return base_lr * std::pow(gamma_, static_cast<double>(step / step_size_));
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : Schedule(optimizer), gamma_(gamma) {
  check_gamma("ExponentialLR", gamma);
  apply();
}

double ExponentialLR::lr_at(double base_lr, std::int64_t step) const {
  return base_lr * std::pow(gamma_, static_cast<double>(step));
}

CosineLR::CosineLR(Optimizer& optimizer, std::int64_t t_max, double eta_min)
    : Schedule(optimizer), t_max_(t_max), eta_min_(eta_min) {
  check<ValueError>(t_max >= 1, "CosineLR: expected t_max to be at least 1, got {}", t_max);
  detail::check_setting("CosineLR", "eta_min", eta_min);
  apply();
}

double CosineLR::lr_at(double base_lr, std::int64_t step) const {
  // Within one period, where the angle is exact enough and the end is eta_min itself.
  const double phase = static_cast<double>(step % (2 * t_max_)) / static_cast<double>(t_max_);
  return eta_min_ + (base_lr - eta_min_) * (1 + std::cos(std::numbers::pi * phase)) / 2;
}

LinearWarmup::LinearWarmup(std::shared_ptr<const Schedule> after, std::int64_t warmup_steps,
                           double start_factor)
    : Schedule(after.get()),
      after_(std::move(after)),
      warmup_steps_(warmup_steps),
      start_factor_(start_factor) {
  check<ValueError>(warmup_steps >= 0, "LinearWarmup: expected warmup_steps to be at least 0, got {}",
                    warmup_steps);
  check<ValueError>(start_factor > 0 && start_factor <= 1,
                    "LinearWarmup: expected start_factor to be more than 0 and at most 1, got {}",
                    start_factor);
  apply();
}

double LinearWarmup::lr_at(double base_lr, std::int64_t step) const {
  if (step >= warmup_steps_) return after_->lr_at(base_lr, step - warmup_steps_);
  const double done = static_cast<double>(step) / static_cast<double>(warmup_steps_);
  return base_lr * (start_factor_ + (1 - start_factor_) * done);
}

}  // namespace gnn
