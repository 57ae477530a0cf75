#pragma once

// The loss and the accuracy of training steps, added up on the device and read now and then. Not installed.

#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

/// True for outputs [N, classes] with class numbers as labels: then accuracy means something.
bool is_classification(const Tensor& output, const Tensor& labels);

class StepLog {
 public:
  /// Starts over, with step number `done` + 1 as the next; numbers are for errors.
  void restart(std::int64_t done);
  /// Notes a step, also as part of a captured one. Does not wait for the device.
  void add(const Tensor& loss, const Tensor& output, const Tensor& labels);
  /// True when read() is due: often enough for a progress bar, seldom enough not to slow the device down.
  bool due() const;
  /// Waits for the device and adds up what was noted. Throws TrainingError naming the first step whose loss
  /// is not finite.
  void read();

  /// Steps that were noted.
  std::int64_t steps() const { return noted_.steps; }

  // Over all steps that were read.
  std::int64_t samples() const { return read_.samples; }
  double loss() const { return loss_sum_ / static_cast<double>(read_.samples); }
  /// NaN unless all of them were classifications.
  double accuracy() const;

 private:
  class Input;
  using Clock = std::chrono::steady_clock;

  struct Counts {
    std::int64_t steps = 0;
    std::int64_t samples = 0;
  };

  Tensor totals_;  // kernels::BatchMetrics'
  Counts noted_;
  Counts read_;
  std::int64_t done_ = 0;  // steps before the first
  bool classification_ = true;
  double loss_sum_ = 0;
  std::int64_t correct_ = 0;
  Clock::time_point last_read_ = Clock::now();
};

}  // namespace gnn
