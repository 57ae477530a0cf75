#include "gnn/train/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "gnn/core/check.h"
#include "gnn/kernels/reduce.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

double share(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.2f} %", 100 * value);
}

/// The labels of a batch, checked against its logits.
std::vector<std::int64_t> checked_labels(const char* op, const Tensor& logits, const Tensor& labels) {
  check<ShapeError>(logits.dim() == 2, "{}: expected logits [N, C], got {}", op, logits.shape());
  check<ShapeError>(labels.shape() == Shape{logits.size(0)}, "{}: expected labels [{}] for logits {}, got {}",
                    op, logits.size(0), logits.shape(), labels.shape());
  check<DTypeError>(labels.dtype() == DType::int64, "{}: expected labels of int64, got {}", op,
                    labels.dtype());
  std::vector<std::int64_t> values = labels.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    check<IndexError>(values[i] >= 0 && values[i] < logits.size(1),
                      "{}: label {} of sample {} is outside [0, {})", op, values[i], i, logits.size(1));
  }
  return values;
}

}  // namespace

std::vector<std::int64_t> predicted_classes(const Tensor& logits) {
  check<ShapeError>(logits.dim() == 2 && logits.size(1) >= 1,
                    "predicted_classes: expected logits [N, C], got {}", logits.shape());
  if (logits.dtype() != DType::float32 && logits.dtype() != DType::float64) {
    throw_unsupported_dtype("predicted_classes", "float32 or float64", logits.dtype());
  }
  const std::int64_t rows = logits.size(0);
  Tensor largest = empty({rows}, logits.options());
  Tensor indices = empty({rows}, {.dtype = DType::int64, .device = logits.device()});
  kernels::run<kernels::Max>(
      logits, kernels::ReduceDims{.outer = rows, .reduced = logits.size(1), .inner = 1}, largest, indices);
  std::vector<std::int64_t> predicted = indices.to_vector<std::int64_t>();
  const std::vector<double> values = largest.to_doubles();
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    if (std::isnan(values[i])) predicted[i] = -1;  // a NaN counts as larger than any number
  }
  return predicted;
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  const std::vector<std::int64_t> expected = checked_labels("accuracy", logits, labels);
  const std::vector<std::int64_t> predicted = predicted_classes(logits);
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) correct += predicted[i] == expected[i] ? 1 : 0;
  return share(correct, std::ssize(expected));
}

namespace {
constexpr std::int64_t max_classes = 32768;  // a matrix of 8 GiB
}

ConfusionMatrix::ConfusionMatrix(std::int64_t classes, std::vector<std::string> class_names)
    : classes_(classes), class_names_(std::move(class_names)) {
  check<ValueError>(classes >= 1 && classes <= max_classes,
                    "ConfusionMatrix: expected 1 to {} classes, got {}", max_classes, classes);
  check<ValueError>(class_names_.empty() || std::ssize(class_names_) == classes,
                    "ConfusionMatrix: expected {} class names, got {}", classes, class_names_.size());
  if (class_names_.empty()) {
    for (std::int64_t c = 0; c < classes; ++c) class_names_.push_back(std::to_string(c));
  }
  counts_.resize(static_cast<std::size_t>(classes * (classes + 1)));
}

std::size_t ConfusionMatrix::index(std::int64_t label, std::int64_t predicted) const {
  check<IndexError>(label >= 0 && label < classes_, "ConfusionMatrix: class {} is outside [0, {})", label,
                    classes_);
  check<IndexError>(predicted >= -1 && predicted < classes_,
                    "ConfusionMatrix: predicted class {} is neither -1 nor in [0, {})", predicted, classes_);
  return static_cast<std::size_t>(label * (classes_ + 1) + (predicted == -1 ? classes_ : predicted));
}

void ConfusionMatrix::add(const Tensor& logits, const Tensor& labels) {
  check<ShapeError>(logits.dim() == 2 && logits.size(1) == classes_,
                    "ConfusionMatrix: expected logits [N, {}], got {}", classes_, logits.shape());
  const std::vector<std::int64_t> expected = checked_labels("ConfusionMatrix", logits, labels);
  const std::vector<std::int64_t> predicted = predicted_classes(logits);
  for (std::size_t i = 0; i < expected.size(); ++i) add(expected[i], predicted[i]);
}

void ConfusionMatrix::add(std::int64_t label, std::int64_t predicted) {
  ++counts_[index(label, predicted)];
}

void ConfusionMatrix::add(const ConfusionMatrix& other) {
  check<ValueError>(other.classes_ == classes_, "ConfusionMatrix: expected a matrix of {} classes, got {}",
                    classes_, other.classes_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::int64_t ConfusionMatrix::count(std::int64_t label, std::int64_t predicted) const {
  return counts_[index(label, predicted)];
}

std::vector<std::int64_t> ConfusionMatrix::counts() const {
  std::vector<std::int64_t> result;
  for (std::int64_t label = 0; label < classes_; ++label) {
    for (std::int64_t predicted = 0; predicted < classes_; ++predicted)
      result.push_back(count(label, predicted));
  }
  return result;
}

std::int64_t ConfusionMatrix::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t count : counts_) sum += count;
  return sum;
}

std::int64_t ConfusionMatrix::correct() const {
  std::int64_t sum = 0;
  for (std::int64_t label = 0; label < classes_; ++label) sum += count(label, label);
  return sum;
}

double ConfusionMatrix::accuracy() const {
  return share(correct(), total());
}

double ConfusionMatrix::recall(std::int64_t label) const {
  std::int64_t sum = 0;
  for (std::int64_t predicted = -1; predicted < classes_; ++predicted) sum += count(label, predicted);
  return share(count(label, label), sum);
}

double ConfusionMatrix::precision(std::int64_t label) const {
  const std::int64_t hits = count(label, label);
  std::int64_t sum = 0;
  for (std::int64_t other = 0; other < classes_; ++other) sum += count(other, label);
  return share(hits, sum);
}

std::string ConfusionMatrix::to_string() const {
  bool all_predicted = true;
  std::size_t name_width = std::string_view("precision").size();
  for (std::int64_t label = 0; label < classes_; ++label) {
    all_predicted = all_predicted && count(label, -1) == 0;
    name_width = std::max(name_width, class_names_[static_cast<std::size_t>(label)].size());
  }
  // A column holds its class name, its counts and its precision.
  std::vector<std::size_t> widths;
  for (std::int64_t c = 0; c < classes_; ++c) {
    std::size_t width =
        std::max(class_names_[static_cast<std::size_t>(c)].size(), percent(precision(c)).size());
    for (std::int64_t label = 0; label < classes_; ++label) {
      width = std::max(width, std::to_string(count(label, c)).size());
    }
    widths.push_back(width);
  }
  constexpr std::size_t recall_width = 8;  // "100.00 %"
  std::string text = fmt::format("{:<{}}", "true", name_width);
  for (std::size_t c = 0; c < widths.size(); ++c) text += fmt::format("  {:>{}}", class_names_[c], widths[c]);
  if (!all_predicted) text += fmt::format("  {:>8}", "NaN");
  text += fmt::format("  {:>{}}\n", "recall", recall_width);
  for (std::int64_t label = 0; label < classes_; ++label) {
    text += fmt::format("{:<{}}", class_names_[static_cast<std::size_t>(label)], name_width);
    for (std::int64_t c = 0; c < classes_; ++c) {
      text += fmt::format("  {:>{}}", count(label, c), widths[static_cast<std::size_t>(c)]);
    }
    if (!all_predicted) text += fmt::format("  {:>8}", count(label, -1));
    text += fmt::format("  {:>{}}\n", percent(recall(label)), recall_width);
  }
  text += fmt::format("{:<{}}", "precision", name_width);
  for (std::int64_t c = 0; c < classes_; ++c) {
    text += fmt::format("  {:>{}}", percent(precision(c)), widths[static_cast<std::size_t>(c)]);
  }
  text += fmt::format("\naccuracy {} of {}: {}\n", correct(), total(), percent(accuracy()));
  return text;
}

}  // namespace gnn
