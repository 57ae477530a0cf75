#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"
#include "gnn/kernels/run.h"

// Cross entropy of softmax with class labels, in one kernel for the loss and its gradient. For one sample
// with logits x, C classes, label y, class weights w (1 where there are none) and label smoothing s, with log
// p = log_softmax(x):
//
//   loss  = -(1 - s) w[y] log p[y] - s / C * sum over c of w[c] log p[c]
//   dx[c] = (1 - s) w[y] (p[c] - [c = y]) + s / C * (p[c] * (sum of w) - w[c])
//
// A sample whose label is ignore_index has loss 0, gradient 0 and target weight 0; the mean of a batch is the
// sum of its losses over the sum of its target weights w[y]. float32 and float64; sums over classes are in
// float64 on the CPU, in the tensor's type and a fixed tree on CUDA; sums over samples in float64.

namespace gnn::kernels {

struct CrossEntropyParameters {
  std::int64_t ignore_index = -100;
  double label_smoothing = 0;
  bool mean = false;  ///< of a loss for the whole batch: divide the sum by that of the target weights
};

/// logits [N, C], labels int64 [N], weight [C] or undefined. loss is [N], a loss for each sample, or [],
/// their sum or mean. dlogits, where wanted: [N, C], the gradient of that loss.
///
/// A mean over a batch without a sample that counts is 0 / 0, NaN, with gradient 0, so that such a batch
/// changes nothing. A label outside [0, C) that is not ignore_index reads nothing out of bounds. The CPU
/// throws IndexError, naming the first, before it writes anything. On CUDA, where checking would have to wait
/// for the device, the sample's loss and gradient become NaN and a counter on the device goes up: see
/// take_label_errors. One launch on CUDA for small batches, up to three for larger ones.
struct GNN_API CrossEntropyForward {
  static constexpr const char* name = "cross_entropy_forward";
  static void cpu(const Tensor& logits, const Tensor& labels, const Tensor& weight,
                  const CrossEntropyParameters& parameters, Tensor& loss, Tensor& dlogits);
  static void cuda(const Tensor& logits, const Tensor& labels, const Tensor& weight,
                   const CrossEntropyParameters& parameters, Tensor& loss, Tensor& dlogits);
};

/// dx[n, c] = dlogits[n, c] * grad, with grad [N] or of one element.
struct GNN_API CrossEntropyBackward {
  static constexpr const char* name = "cross_entropy_backward";
  static void cpu(const Tensor& dlogits, const Tensor& grad, Tensor& dx);
  static void cuda(const Tensor& dlogits, const Tensor& grad, Tensor& dx);
};

/// Throws ShapeError or DTypeError unless the tensors of CrossEntropyForward fit together.
void check_cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& weight, const Tensor& loss,
                         const Tensor& dlogits);

/// The number of labels out of range that cross entropy met on `device` since the last call; waits for the
/// device. Always 0 for the CPU, which throws instead.
GNN_API std::int64_t take_label_errors(Device device);
std::int64_t take_cuda_label_errors(Device device);  // its part in the .cu file

}  // namespace gnn::kernels
