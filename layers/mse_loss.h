#pragma once

#include "gnn/core/tensor.h"
#include "gnn/layers/reduction.h"

namespace gnn {

/// The squared error (input - target)^2: of each element, their mean over all elements or their sum. Both
/// tensors have the same shape and dtype (float32 or float64), nothing is broadcast; both get gradients. The
/// mean of nothing is NaN. Throws ShapeError and DTypeError.
GNN_API Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

/// mse_loss() with its reduction, as an object to be called.
class GNN_API MSELoss {
 public:
  explicit MSELoss(Reduction reduction = Reduction::mean) : reduction_(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return mse_loss(input, target, reduction_);
  }
  Tensor operator()(const Tensor& input, const Tensor& target) const { return forward(input, target); }

 private:
  Reduction reduction_;
};

}  // namespace gnn
