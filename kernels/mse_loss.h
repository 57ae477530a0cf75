#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/run.h"

namespace gnn::kernels {

/// loss = scale * f, f = (input - target)^2 of each element; summed where `loss` has one element (see Sum for
/// accuracy and order). float32 and float64.
struct GNN_API MseLossForward {
  static constexpr const char* name = "mse_loss_forward";
  static void cpu(const Tensor& input, const Tensor& target, double scale, Tensor& loss);
  static void cuda(const Tensor& input, const Tensor& target, double scale, Tensor& loss);
};

/// dinput = scale * grad * 2 (input - target), dtarget = -dinput; either may be undefined (not wanted). grad
/// has one element or as many as the input.
struct GNN_API MseLossBackward {
  static constexpr const char* name = "mse_loss_backward";
  static void cpu(const Tensor& input, const Tensor& target, const Tensor& grad, double scale, Tensor& dinput,
                  Tensor& dtarget);
  static void cuda(const Tensor& input, const Tensor& target, const Tensor& grad, double scale,
                   Tensor& dinput, Tensor& dtarget);
};

}  // namespace gnn::kernels
