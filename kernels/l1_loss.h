#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/run.h"

namespace gnn::kernels {

/// loss = scale * f, f = |input - target| of each element; summed where `loss` has one element (see Sum for
/// accuracy and order). float32 and float64.
struct GNN_API L1LossForward {
  static constexpr const char* name = "l1_loss_forward";
  static void cpu(const Tensor& input, const Tensor& target, double scale, Tensor& loss);
  static void cuda(const Tensor& input, const Tensor& target, double scale, Tensor& loss);
};

/// dinput = scale * grad * sign(input - target), dtarget = -dinput; either may be undefined (not wanted).
/// grad has one element or as many as the input. sign(0) = 0.
struct GNN_API L1LossBackward {
  static constexpr const char* name = "l1_loss_backward";
  static void cpu(const Tensor& input, const Tensor& target, const Tensor& grad, double scale, Tensor& dinput,
                  Tensor& dtarget);
  static void cuda(const Tensor& input, const Tensor& target, const Tensor& grad, double scale,
                   Tensor& dinput, Tensor& dtarget);
};

}  // namespace gnn::kernels
