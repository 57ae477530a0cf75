#include "gnn/layers/dropout.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/dropout.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

double checked_probability(double p) {
  check<ValueError>(p >= 0 && p <= 1, "dropout: expected a probability 0 <= p <= 1, got {}", p);
  return p;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator* generator) {
  checked_probability(p);
  check<DTypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                    "dropout: expected float32 or float64, got {}", x.dtype());
  if (!training || p == 0) return x;
  const RandomRange range = (generator != nullptr ? *generator : default_generator()).reserve(x.numel());
  Tensor y = empty_like(x);
  kernels::run<kernels::DropoutKernel>(x, y, p, range);
  return record("dropout", y, {x}, [p, range](const Tensor& grad, Gradients& grads) {
    Tensor dx = empty_like(grad);
    kernels::run<kernels::DropoutKernel>(grad, dx, p, range);
    grads.set(0, dx);
  });
}

Dropout::Dropout(double p) : Module("Dropout"), p_(checked_probability(p)) {}

Tensor Dropout::forward(const Tensor& x) {
  return dropout(x, p_, is_training());
}

std::string Dropout::describe() const {
  return fmt::format("p={}", p_);
}

}  // namespace gnn
