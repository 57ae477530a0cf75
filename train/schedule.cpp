#include "gnn/train/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "gnn/core/check.h"

namespace gnn {
namespace {

void check_gamma(const char* schedule, double gamma) {
  check<ValueError>(std::isfinite(gamma) && gamma >= 0,
                    "{}: expected gamma to be finite and not negative, got {}", schedule, gamma);
}

const Schedule* first_of(const std::vector<std::shared_ptr<const Schedule>>& schedules) {
  check<ValueError>(!schedules.empty() && schedules.front() != nullptr,
                    "SequentialLR: expected at least one schedule");
  return schedules.front().get();
}

}  // namespace

Schedule::Schedule(Optimizer& optimizer) : optimizer_(&optimizer) {
  for (const ParameterGroup& group : optimizer.groups()) state_.base_lrs.push_back(group.lr);
}

Schedule::Schedule(const Schedule* wrapped)
    : optimizer_(wrapped->optimizer_), state_{.steps = 0, .base_lrs = wrapped->state_.base_lrs} {}

Schedule::~Schedule() = default;

double Schedule::group_lr_at(std::size_t, double base_lr, std::int64_t step) const {
  return lr_at(base_lr, step);
}

void Schedule::apply() {
  for (std::size_t g = 0; g < state_.base_lrs.size(); ++g) optimizer_->groups()[g].lr = lr_after(g, 0);
}

void Schedule::step() {
  ++state_.steps;
  apply();
}

double Schedule::lr_after(std::size_t group, std::int64_t steps) const {
  return group_lr_at(group, state_.base_lrs.at(group), state_.steps + steps);
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

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, std::int64_t total_iters)
    : Schedule(optimizer), start_factor_(start_factor), end_factor_(end_factor), total_iters_(total_iters) {
  check_and_apply();
}

LinearLR::LinearLR(const Schedule& other, double start_factor, double end_factor, std::int64_t total_iters)
    : Schedule(&other), start_factor_(start_factor), end_factor_(end_factor), total_iters_(total_iters) {
  check_and_apply();
}

void LinearLR::check_and_apply() {
  check<ValueError>(start_factor_ > 0 && start_factor_ <= 1,
                    "LinearLR: expected start_factor to be more than 0 and at most 1, got {}", start_factor_);
  check<ValueError>(end_factor_ >= 0 && end_factor_ <= 1,
                    "LinearLR: expected end_factor to be from 0 to 1, got {}", end_factor_);
  check<ValueError>(total_iters_ >= 0, "LinearLR: expected total_iters to be at least 0, got {}",
                    total_iters_);
  apply();
}

double LinearLR::lr_at(double base_lr, std::int64_t step) const {
  if (step >= total_iters_) return base_lr * end_factor_;
  const double done = static_cast<double>(step) / static_cast<double>(total_iters_);
  return base_lr * (start_factor_ + (end_factor_ - start_factor_) * done);
}

SequentialLR::SequentialLR(std::vector<std::shared_ptr<const Schedule>> schedules,
                           std::vector<std::int64_t> milestones)
    : Schedule(first_of(schedules)), schedules_(std::move(schedules)), milestones_(std::move(milestones)) {
  for (const auto& schedule : schedules_) {
    check<ValueError>(schedule != nullptr, "SequentialLR: a schedule is missing");
    check<ValueError>(&schedule->optimizer() == &optimizer(),
                      "SequentialLR: the schedules are of different optimizers");
  }
  check<ValueError>(milestones_.size() + 1 == schedules_.size(),
                    "SequentialLR: expected {} milestones for {} schedules, got {}", schedules_.size() - 1,
                    schedules_.size(), milestones_.size());
  check<ValueError>(std::ranges::is_sorted(milestones_) && (milestones_.empty() || milestones_.front() >= 0),
                    "SequentialLR: expected milestones in ascending order from 0, got {}",
                    fmt::join(milestones_, ", "));
  apply();
}

SequentialLR::Part SequentialLR::part_at(std::int64_t step) const {
  const auto next = std::ranges::upper_bound(milestones_, step);
  const Schedule& schedule = *schedules_[static_cast<std::size_t>(next - milestones_.begin())];
  return {schedule, next == milestones_.begin() ? step : step - *(next - 1)};
}

double SequentialLR::lr_at(double base_lr, std::int64_t step) const {
  const Part part = part_at(step);
  return part.schedule.lr_at(base_lr, part.step);
}

double SequentialLR::group_lr_at(std::size_t group, double base_lr, std::int64_t step) const {
  const Part part = part_at(step);
  return part.schedule.group_lr_at(group, base_lr, part.step);
}

LinearWarmup::LinearWarmup(const std::shared_ptr<const Schedule>& after, std::int64_t warmup_steps,
                           double start_factor)
    : SequentialLR({std::make_shared<LinearLR>(*after, start_factor, 1, warmup_steps), after},
                   {warmup_steps}) {}

}  // namespace gnn
