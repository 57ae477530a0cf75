#include "gnn/layers/cross_entropy.h"

#include <utility>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/cross_entropy.h"

namespace gnn {
namespace {

void check_options(const CrossEntropyOptions& options) {
  check<ValueError>(options.label_smoothing >= 0 && options.label_smoothing <= 1,
                    "cross_entropy: expected label_smoothing in [0, 1], got {}", options.label_smoothing);
}

void check_inputs(const Tensor& logits, const Tensor& labels, const Tensor& weight) {
  check<ShapeError>(logits.dim() == 2, "cross_entropy: expected logits [N, C], got {}", logits.shape());
  check<DTypeError>(logits.dtype() == DType::float32 || logits.dtype() == DType::float64,
                    "cross_entropy: expected logits of float32 or float64, got {}", logits.dtype());
  check<DTypeError>(labels.dtype() == DType::int64, "cross_entropy: expected labels of int64, got {}",
                    labels.dtype());
  check<ShapeError>(labels.dim() == 1 && labels.shape()[0] == logits.shape()[0],
                    "cross_entropy: expected labels [{}] for logits {}, got {}", logits.shape()[0],
                    logits.shape(), labels.shape());
  if (!weight.defined()) return;
  check<ShapeError>(weight.dim() == 1 && weight.shape()[0] == logits.shape()[1],
                    "cross_entropy: expected weight [{}] for logits {}, got {}", logits.shape()[1],
                    logits.shape(), weight.shape());
  check<DTypeError>(weight.dtype() == logits.dtype(),
                    "cross_entropy: expected weight of {} like the logits, got {}", logits.dtype(),
                    weight.dtype());
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) {
  check_options(options);
  check_inputs(logits, labels, options.weight);
  const kernels::CrossEntropyParameters parameters{options.ignore_index, options.label_smoothing,
                                                   options.reduction == Reduction::mean};
  const Shape shape = options.reduction == Reduction::none ? Shape{logits.shape()[0]} : Shape{};
  Tensor loss = empty(shape, logits.options());
  Tensor dlogits = is_recording({logits}) ? empty_like(logits) : Tensor();
  kernels::run<kernels::CrossEntropyForward>(logits, labels, options.weight, parameters, loss, dlogits);
  return record_loss("cross_entropy", loss, {logits},
                     [dlogits = save(dlogits)](const Tensor& grad, Gradients& grads) {
                       if (!grad.defined()) {  // 1: the forward pass has computed everything
                         grads.set(0, dlogits.get());
                         return;
                       }
                       Tensor dx = empty_like(dlogits.get());
                       kernels::run<kernels::CrossEntropyBackward>(dlogits.get(), grad, dx);
                       grads.set(0, dx);
                     });
}

std::int64_t take_label_errors(Device device) {
  return kernels::take_label_errors(device);
}

CrossEntropyLoss::CrossEntropyLoss(CrossEntropyOptions options) : options_(std::move(options)) {
  check_options(options_);
}

Tensor CrossEntropyLoss::forward(const Tensor& logits, const Tensor& labels) const {
  return cross_entropy(logits, labels, options_);
}

}  // namespace gnn
