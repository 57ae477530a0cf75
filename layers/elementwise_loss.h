#pragma once

// The part that mse_loss and l1_loss share. Not installed.

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/reduction.h"

namespace gnn {

template <class Forward, class Backward>
Tensor elementwise_loss(const char* op, const Tensor& input, const Tensor& target, Reduction reduction) {
  check<DTypeError>(input.dtype() == DType::float32 || input.dtype() == DType::float64,
                    "{}: expected float32 or float64, got {}", op, input.dtype());
  check<DTypeError>(target.dtype() == input.dtype(),
                    "{}: expected input and target of one dtype, got {} and {}", op, input.dtype(),
                    target.dtype());
  check<ShapeError>(target.shape() == input.shape(),
                    "{}: expected input and target of one shape, got {} and {}", op, input.shape(),
                    target.shape());
  // 1 / 0 * 0 = NaN for the mean of nothing.
  const double scale = reduction == Reduction::mean ? 1 / static_cast<double>(input.numel()) : 1.0;
  Tensor loss = empty(reduction == Reduction::none ? input.shape() : Shape{}, input.options());
  kernels::run<Forward>(input, target, scale, loss);
  return record(op, loss, {input, target},
                [input = save(input), target = save(target), scale](const Tensor& grad, Gradients& grads) {
                  Tensor dinput = grads.needed(0) ? empty_like(input.get()) : Tensor();
                  Tensor dtarget = grads.needed(1) ? empty_like(target.get()) : Tensor();
                  kernels::run<Backward>(input.get(), target.get(), grad, scale, dinput, dtarget);
                  if (grads.needed(0)) grads.set(0, dinput);
                  if (grads.needed(1)) grads.set(1, dtarget);
                });
}

}  // namespace gnn
