#include "gnn/train/step_log.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/layers/cross_entropy.h"
#include "gnn/layers/reduce.h"

namespace gnn {
namespace {

constexpr std::int64_t least_steps = 5;  // between two reads
constexpr double read_seconds = 0.25;

/// Copies all elements of `source` to `target`, from element `offset` on.
void put(const Tensor& target, std::int64_t offset, const Tensor& source) {
  Tensor slot = target.alias(source.shape(), offset);
  slot.copy_from(source);
}

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

void StepLog::make_room(const Tensor& loss, std::int64_t size) {
  const bool alike =
      losses_.defined() && losses_.dtype() == loss.dtype() && losses_.device() == loss.device();
  if (alike && steps_.size() < static_cast<std::size_t>(capacity) &&
      predictions_.numel() >= noted_samples_ + size)
    return;
  read();
  if (alike && predictions_.numel() >= size) return;
  losses_ = empty({capacity}, loss.options());
  predictions_ = empty({capacity * size}, {DType::int64, loss.device()});
  labels_ = empty_like(predictions_);
}

void StepLog::add(std::int64_t step, const Tensor& loss, const Tensor& output, const Tensor& labels) {
  const std::int64_t size = output.dim() > 0 ? output.size(0) : 1;
  make_room(loss, size);
  put(losses_, static_cast<std::int64_t>(steps_.size()), loss);
  classification_ = classification_ && is_classification(output, labels);
  if (classification_) {
    put(predictions_, noted_samples_, argmax(output.detach(), 1));
    put(labels_, noted_samples_, labels);
  }
  noted_samples_ += size;
  steps_.push_back(step);
  sizes_.push_back(size);
}

bool StepLog::due() const {
  const auto steps = static_cast<std::int64_t>(steps_.size());
  return steps == capacity ||
         (steps >= least_steps &&
          std::chrono::duration<double>(Clock::now() - last_read_).count() >= read_seconds);
}

void StepLog::read() {
  if (!steps_.empty()) {
    const std::vector<double> losses = losses_.alias({static_cast<std::int64_t>(steps_.size())}).to_doubles();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!std::isfinite(losses[i])) fail_at(steps_[i], losses[i], losses_.device());
      loss_sum_ += losses[i] * static_cast<double>(sizes_[i]);
      samples_ += sizes_[i];
    }
    if (classification_) {
      const auto predictions = predictions_.alias({noted_samples_}).to_vector<std::int64_t>();
      const auto labels = labels_.alias({noted_samples_}).to_vector<std::int64_t>();
      for (std::size_t i = 0; i < labels.size(); ++i) correct_ += predictions[i] == labels[i] ? 1 : 0;
    }
    steps_.clear();
    sizes_.clear();
    noted_samples_ = 0;
  }
  last_read_ = Clock::now();
}

double StepLog::accuracy() const {
  if (!classification_) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(correct_) / static_cast<double>(samples_);
}

}  // namespace gnn
