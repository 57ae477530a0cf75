#include "gnn/train/grad_norm.h"

#include <cmath>
#include <vector>

#include "gnn/core/check.h"
#include "gnn/kernels/grad_norm.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

std::vector<Tensor> grads_of(std::span<const Tensor> parameters) {
  std::vector<Tensor> grads;
  for (const Tensor& parameter : parameters) {
    if (parameter.grad().defined()) grads.push_back(parameter.grad());
  }
  return grads;
}

Tensor norm_of(const std::vector<Tensor>& grads) {
  if (grads.empty()) return zeros({}, {.dtype = DType::float64});
  Tensor norm = empty({}, {.dtype = DType::float64, .device = grads.front().device()});
  kernels::run<kernels::GradNorm>(grads, norm);
  return norm;
}

}  // namespace

Tensor grad_norm(std::span<const Tensor> parameters) {
  return norm_of(grads_of(parameters));
}

Tensor clip_grad_norm(std::span<const Tensor> parameters, double max_norm,
                      const ClipGradNormOptions& options) {
  check<ValueError>(max_norm >= 0, "clip_grad_norm: expected max_norm to be at least 0, got {}", max_norm);
  std::vector<Tensor> grads = grads_of(parameters);
  Tensor norm = norm_of(grads);
  if (options.error_if_nonfinite) {
    const double value = norm.item();
    check<TrainingError>(std::isfinite(value), "clip_grad_norm: the norm of the gradients is {}", value);
  }
  if (!grads.empty()) kernels::run<kernels::ScaleToNorm>(grads, norm, max_norm);
  return norm;
}

void clip_grad_value(std::span<const Tensor> parameters, double clip_value) {
  check<ValueError>(clip_value >= 0, "clip_grad_value: expected clip_value to be at least 0, got {}",
                    clip_value);
  std::vector<Tensor> grads = grads_of(parameters);
  if (!grads.empty()) kernels::run<kernels::ClampGrads>(grads, clip_value);
}

}  // namespace gnn
