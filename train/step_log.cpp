#include "gnn/train/step_log.h"

#include <cmath>
#include <memory>

#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/kernels/batch_metrics.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/cross_entropy.h"

namespace gnn {
namespace {

constexpr std::int64_t least_steps = 5;  // between two reads
constexpr std::int64_t most_steps = 50;
constexpr double read_seconds = 0.25;

[[noreturn]] void fail_at(std::int64_t step, double loss, Device device) {
  const char* what = std::isnan(loss) ? "NaN" : "infinite";
  // On the CPU cross_entropy() throws for such labels, on CUDA it counts them.
  if (const std::int64_t bad_labels = take_label_errors(device); bad_labels > 0) {
    fail<TrainingError>("training: the loss became {} in step {}: {} labels were out of range", what, step,
                        bad_labels);
  }
  fail<TrainingError>(
      "training: the loss became {} in step {}; lower the learning rate, or look for values in the data "
      "that are not finite",
      what, step);
}

}  // namespace

bool is_classification(const Tensor& output, const Tensor& labels) {
  return output.dim() == 2 && output.size(1) > 0 && labels.dim() == 1 && labels.dtype() == DType::int64 &&
         labels.size(0) == output.size(0);
}

/// A captured step in the log: what its replays change on the host.
class StepLog::Input final : public StepInput {
 public:
  Input(StepLog& log, std::int64_t samples, bool classification)
      : log_(log), samples_(samples), classification_(classification) {}

  void undo() override { count(-1); }
  void advance() override { count(1); }
  void write(std::int64_t, std::span<std::uint64_t>) const override {}
  void count(std::int64_t steps) {
    log_.noted_.steps += steps;
    log_.noted_.samples += steps * samples_;
    log_.classification_ = log_.classification_ && classification_;
  }

 private:
  StepLog& log_;
  std::int64_t samples_;
  bool classification_;
};

void StepLog::restart(std::int64_t done) {
  if (totals_.defined()) kernels::run<kernels::Fill>(totals_, 0.0);
  noted_ = {};
  read_ = {};
  done_ = done;
  classification_ = true;
  loss_sum_ = 0;
  correct_ = 0;
  last_read_ = Clock::now();
}

void StepLog::add(const Tensor& loss, const Tensor& output, const Tensor& labels) {
  if (!totals_.defined())
    totals_ = zeros({kernels::BatchMetrics::count}, {.dtype = DType::float64, .device = loss.device()});
  const std::int64_t size = output.dim() > 0 ? output.size(0) : 1;
  const bool classification = is_classification(output, labels);
  kernels::run<kernels::BatchMetrics>(loss, classification ? output : Tensor(),
                                      classification ? labels : Tensor(), size, totals_);
  Input step(*this, size, classification);
  step.count(1);
  if (Capture* capture = Capture::current()) capture->add(this, std::make_shared<Input>(step), 0);
}

bool StepLog::due() const {
  const std::int64_t steps = noted_.steps - read_.steps;
  return steps >= most_steps ||
         (steps >= least_steps &&
          std::chrono::duration<double>(Clock::now() - last_read_).count() >= read_seconds);
}

void StepLog::read() {
  if (noted_.steps != read_.steps) {
    const std::vector<double> totals = totals_.to_doubles();
    if (totals[3] != 0) fail_at(done_ + static_cast<std::int64_t>(totals[3]), totals[4], totals_.device());
    loss_sum_ = totals[1];
    correct_ = static_cast<std::int64_t>(totals[2]);
    read_ = noted_;
  }
  last_read_ = Clock::now();
}

double StepLog::accuracy() const {
  if (!classification_) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(correct_) / static_cast<double>(read_.samples);
}

}  // namespace gnn
