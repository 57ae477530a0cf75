#pragma once

#include "gnn/core/tensor.h"
#include "gnn/layers/reduction.h"

namespace gnn {

/// The absolute error |input - target|: of each element, their mean over all elements or their sum. Both
/// tensors have the same shape and dtype (float32 or float64), nothing is broadcast; both get gradients. The
/// gradient is 0 where they are equal. The mean of nothing is NaN. Throws ShapeError and DTypeError.
GNN_API Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

/// l1_loss() with its reduction, as an object to be called.
class GNN_API L1Loss {
 public:
  explicit L1Loss(Reduction reduction = Reduction::mean) : reduction_(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return l1_loss(input, target, reduction_);
  }
  Tensor operator()(const Tensor& input, const Tensor& target) const { return forward(input, target); }

 private:
  Reduction reduction_;
};

}  // namespace gnn
