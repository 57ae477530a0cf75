#pragma once

#include <span>

#include "gnn/core/tensor.h"

namespace gnn {

struct ClipGradNormOptions {
  /// Throw TrainingError, changing nothing, when the norm is NaN or infinite; waits for the device.
  bool error_if_nonfinite = false;
};

/// The L2 norm of the gradients of all parameters, as one vector: a float64 scalar on their device (item()
/// waits for it). Parameters without a gradient do not count; without any gradient the norm is 0, on the CPU.
/// Gradients may be float32 and float64 mixed, on one device. Deterministic. Throws DeviceError for gradients
/// on different devices.
GNN_API Tensor grad_norm(std::span<const Tensor> parameters);

/// Scales the gradients of all parameters in place so that their common L2 norm is at most `max_norm`, and
/// returns the norm that they had, as grad_norm(): torch.nn.utils.clip_grad_norm_. The factor is max_norm /
/// (norm + 1e-6) where that is below 1. Does not wait for the device. A NaN norm makes every gradient NaN, an
/// infinite one makes infinite elements NaN and the others 0, unless error_if_nonfinite. Throws ValueError
/// for a `max_norm` that is negative or NaN.
GNN_API Tensor clip_grad_norm(std::span<const Tensor> parameters, double max_norm,
                              const ClipGradNormOptions& options = {});

/// Limits every element of the gradients of all parameters to [-clip_value, clip_value], in place; NaN stays
/// NaN: torch.nn.utils.clip_grad_value_. Throws ValueError for a `clip_value` that is negative or NaN.
GNN_API void clip_grad_value(std::span<const Tensor> parameters, double clip_value);

}  // namespace gnn
