#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

/// The class that each row of `logits` [N, C] (float32 or float64, C >= 1) gives the largest value; of equal
/// ones the first. A row with a NaN has no prediction: -1. Computed on the tensor's device; waits for it.
/// Throws ShapeError and DTypeError.
GNN_API std::vector<std::int64_t> predicted_classes(const Tensor& logits);

/// The share of rows of `logits` [N, C] whose predicted class is the one in `labels` (int64 [N]); a row with
/// a NaN counts as wrong. NaN for N = 0. Waits for the device. Throws ShapeError, DTypeError, and IndexError
/// for a label outside [0, C).
GNN_API double accuracy(const Tensor& logits, const Tensor& labels);

/// Counts how often each true class was predicted as which class.
class GNN_API ConfusionMatrix {
 public:
  /// `class_names`: for to_string(); by default "0", "1", …. Throws ValueError unless there are 1 to 32768
  /// classes, and names are none or one per class.
  explicit ConfusionMatrix(std::int64_t classes, std::vector<std::string> class_names = {});

  /// Counts a batch: `logits` [N, classes], `labels` int64 [N]. Waits for the device. Throws as accuracy();
  /// nothing is counted then.
  void add(const Tensor& logits, const Tensor& labels);
  /// Counts one sample; `predicted` is -1 for a sample without a prediction. Throws IndexError.
  void add(std::int64_t label, std::int64_t predicted);
  /// Adds the counts of another matrix with as many classes; throws ValueError otherwise.
  void add(const ConfusionMatrix& other);

  std::int64_t classes() const { return classes_; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// Samples of class `label` that were predicted as `predicted`, or with -1 not at all. Throws IndexError.
  std::int64_t count(std::int64_t label, std::int64_t predicted) const;
  /// Row-major [classes, classes]: true class, predicted class; without the samples that have no prediction.
  std::vector<std::int64_t> counts() const;
  std::int64_t total() const;
  std::int64_t correct() const;

  // Shares of samples; NaN where there are none. Throw IndexError.
  /// correct() / total().
  double accuracy() const;
  /// Of the samples of class `label`, the share that was predicted as such.
  double recall(std::int64_t label) const;
  /// Of the samples predicted as `label`, the share that is of that class.
  double precision(std::int64_t label) const;

  /// A table: one row per true class with its counts and recall, then the precisions, then the accuracy.
  std::string to_string() const;

 private:
  std::size_t index(std::int64_t label, std::int64_t predicted) const;

  std::int64_t classes_;
  std::vector<std::string> class_names_;
  std::vector<std::int64_t> counts_;  // [classes, classes + 1]: the last column is "no prediction"
};

}  // namespace gnn
