#include "gnn/layers/l1_loss.h"

#include "gnn/kernels/l1_loss.h"
#include "gnn/layers/elementwise_loss.h"

namespace gnn {

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return elementwise_loss<kernels::L1LossForward, kernels::L1LossBackward>("l1_loss", input, target,
                                                                           reduction);
}

}  // namespace gnn
