#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gnn/train/optimizer.h"

namespace gnn {

/// What a schedule needs to go on where it was.
struct ScheduleState {
  std::int64_t steps = 0;
  std::vector<double> base_lrs;  // one per parameter group
};

/// Base of the learning-rate schedules. A schedule takes the learning rates that an optimizer's groups have
/// when it is constructed as base rates, sets those of step 0 at once and those of the next step with every
/// step(), which is called after the optimizer's: once per epoch or per batch, as the schedule's lengths are
/// meant. The rates are a function of base rate and step alone, so rates set otherwise in between are
/// overwritten. The optimizer must outlive the schedule.
class GNN_API Schedule {
 public:
  virtual ~Schedule();

  /// The formula: the learning rate after `step` steps for a group with that base rate.
  virtual double lr_at(double base_lr, std::int64_t step) const = 0;
  /// The same for the group with that number, for formulas that differ between groups; lr_at() by default.
  virtual double group_lr_at(std::size_t group, double base_lr, std::int64_t step) const;

  /// Advances by one step and sets the learning rate of every group.
  void step();
  /// The learning rate that a group (its number) will have after `steps` more of them.
  double lr_after(std::size_t group, std::int64_t steps) const;
  /// Number of steps so far.
  std::int64_t steps() const { return state_.steps; }
  /// The present learning rate of the first group.
  double lr() const { return optimizer_->lr(); }
  /// The optimizer whose learning rates it sets.
  const Optimizer& optimizer() const { return *optimizer_; }

  const ScheduleState& state() const { return state_; }
  /// Goes on from a saved state, and sets its learning rates. Throws ValueError for another number of groups,
  /// negative steps, or base rates that are negative or not finite; nothing is changed then.
  void load_state(const ScheduleState& state);

 protected:
  explicit Schedule(Optimizer& optimizer);
  /// For a schedule that wraps another: its optimizer and base rates.
  explicit Schedule(const Schedule* wrapped);
  Schedule(const Schedule&) = default;
  Schedule& operator=(const Schedule&) = default;
  /// Sets the learning rates of the present step; what a constructor does last.
  void apply();

 private:
  Optimizer* optimizer_;
  ScheduleState state_;
};

/// lr = base * gamma^floor(step / step_size): torch.optim.lr_scheduler.StepLR.
class GNN_API StepLR : public Schedule {
 public:
  /// Throws ValueError for a step_size below 1 or a gamma that is negative or not finite.
  StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma = 0.1);
  double lr_at(double base_lr, std::int64_t step) const override;

 private:
  std::int64_t step_size_;
  double gamma_;
};

/// lr = base * gamma^step: torch.optim.lr_scheduler.ExponentialLR.
class GNN_API ExponentialLR : public Schedule {
 public:
  /// Throws ValueError for a gamma that is negative or not finite.
  ExponentialLR(Optimizer& optimizer, double gamma);
  double lr_at(double base_lr, std::int64_t step) const override;

 private:
  double gamma_;
};

/// lr = eta_min + (base - eta_min) * (1 + cos(pi * step / t_max)) / 2:
/// torch.optim.lr_scheduler.CosineAnnealingLR. From base down to eta_min in t_max steps; further steps go up
/// again, with period 2 * t_max.
class GNN_API CosineLR : public Schedule {
 public:
  /// Throws ValueError for a t_max below 1 or an eta_min that is negative or not finite.
  CosineLR(Optimizer& optimizer, std::int64_t t_max, double eta_min = 0);
  double lr_at(double base_lr, std::int64_t step) const override;

 private:
  std::int64_t t_max_;
  double eta_min_;
};

/// A straight line from base * start_factor at step 0 to base * end_factor at step `total_iters`, where it
/// stays: torch.optim.lr_scheduler.LinearLR.
class GNN_API LinearLR : public Schedule {
 public:
  /// Throws ValueError for a start_factor outside (0, 1], an end_factor outside [0, 1] or total_iters below
  /// 0.
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1,
                    std::int64_t total_iters = 5);
  /// The same for the optimizer and the base rates of another schedule.
  LinearLR(const Schedule& other, double start_factor, double end_factor, std::int64_t total_iters);
  double lr_at(double base_lr, std::int64_t step) const override;

 private:
  void check_and_apply();

  double start_factor_;
  double end_factor_;
  std::int64_t total_iters_;
};

/// Several schedules, one after the other: torch.optim.lr_scheduler.SequentialLR. Each starts with its step 0
/// at its milestone, the first at once. The base rates are the first one's, of which as of the others only
/// the formula is used.
class GNN_API SequentialLR : public Schedule {
 public:
  /// Throws ValueError unless there is a schedule, all are of one optimizer, and there is one milestone less
  /// than schedules, in ascending order from 0.
  SequentialLR(std::vector<std::shared_ptr<const Schedule>> schedules, std::vector<std::int64_t> milestones);
  double lr_at(double base_lr, std::int64_t step) const override;
  double group_lr_at(std::size_t group, double base_lr, std::int64_t step) const override;

 private:
  struct Part {
    const Schedule& schedule;
    std::int64_t step;  // of its own
  };
  Part part_at(std::int64_t step) const;

  std::vector<std::shared_ptr<const Schedule>> schedules_;
  std::vector<std::int64_t> milestones_;
};

/// A straight line from base * start_factor at step 0 to base at step `warmup_steps`, from where on another
/// schedule starts with its step 0: SequentialLR of LinearLR and that schedule.
///
///   gnn::LinearWarmup schedule(gnn::CosineLR(optimizer, 20), 5);
class GNN_API LinearWarmup : public SequentialLR {
 public:
  /// Throws ValueError for warmup_steps below 0 or a start_factor outside (0, 1].
  template <std::derived_from<Schedule> S>
  explicit LinearWarmup(S after, std::int64_t warmup_steps, double start_factor = 1.0 / 3)
      : LinearWarmup(std::shared_ptr<const Schedule>(std::make_shared<S>(std::move(after))), warmup_steps,
                     start_factor) {}

 private:
  LinearWarmup(const std::shared_ptr<const Schedule>& after, std::int64_t warmup_steps, double start_factor);
};

}  // namespace gnn
