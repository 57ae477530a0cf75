#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"
#include "gnn/layers/reduction.h"

namespace gnn {

/// PyTorch's names and defaults.
struct CrossEntropyOptions {
  Tensor weight = {};  ///< [C], of the logits' dtype and device: a factor for each class; undefined: 1
  std::int64_t ignore_index = -100;  ///< samples with this label do not count
  double label_smoothing = 0;        ///< in [0, 1]: how much of each target is spread evenly over all classes
  Reduction reduction = Reduction::mean;
};

/// Cross entropy of softmax(logits) with class labels: logits [N, C] (float32 or float64), labels int64 [N]
/// with values in [0, C) or ignore_index. Semantics are PyTorch's: the mean is over the sum of the weights of
/// the labels that count, NaN where none does; Reduction::none gives [N], 0 for ignored samples. Forward
/// computes the gradient along with the loss, in one kernel; backward only scales it. Formulas:
/// kernels/cross_entropy.h.
///
/// Throws ShapeError, DTypeError, ValueError for a label_smoothing outside [0, 1], and on the CPU IndexError
/// for a label out of range. On CUDA such a label makes the loss NaN, since an exception would have to wait
/// for the device; take_label_errors() tells.
GNN_API Tensor cross_entropy(const Tensor& logits, const Tensor& labels,
                             const CrossEntropyOptions& options = {});

/// How many labels out of range cross_entropy met on `device` since the last call; waits for the device. For
/// finding out why a loss on CUDA is NaN. Always 0 for the CPU, where cross_entropy throws.
GNN_API std::int64_t take_label_errors(Device device);

/// cross_entropy() with its options, as an object to be called.
class GNN_API CrossEntropyLoss {
 public:
  explicit CrossEntropyLoss(CrossEntropyOptions options = {});
  Tensor forward(const Tensor& logits, const Tensor& labels) const;
  Tensor operator()(const Tensor& logits, const Tensor& labels) const { return forward(logits, labels); }

 private:
  CrossEntropyOptions options_;
};

}  // namespace gnn
