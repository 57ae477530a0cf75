#pragma once

// The loss and the predictions of training steps, kept on the device and read now and then. Not installed.

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
  /// Notes a step: three small copies on the device, no waiting. `step` and `batch` are for errors.
  void add(std::int64_t step, const Tensor& loss, const Tensor& output, const Tensor& labels);
  /// True when read() is due: often enough for a progress bar, seldom enough not to slow the device down.
  bool due() const;
  /// Waits for the device and adds up what was noted. Throws TrainingError naming the first step whose loss
  /// is not finite.
  void read();

  // Over all steps that were read.
  std::int64_t samples() const { return samples_; }
  double loss() const { return loss_sum_ / static_cast<double>(samples_); }
  /// NaN unless all of them were classifications.
  double accuracy() const;

 private:
  void make_room(const Tensor& loss, std::int64_t size);

  using Clock = std::chrono::steady_clock;
  static constexpr std::int64_t capacity = 50;  // steps

  std::vector<std::int64_t> steps_;  // noted and not yet read
  std::vector<std::int64_t> sizes_;
  Tensor losses_;       // [capacity]
  Tensor predictions_;  // int64 [capacity * batch]
  Tensor labels_;       // the same
  std::int64_t noted_samples_ = 0;
  bool classification_ = true;
  std::int64_t samples_ = 0;
  double loss_sum_ = 0;
  std::int64_t correct_ = 0;
  Clock::time_point last_read_ = Clock::now();
};

}  // namespace gnn
