#include "gnn/layers/mse_loss.h"

#include "gnn/kernels/mse_loss.h"
#include "gnn/layers/elementwise_loss.h"

namespace gnn {

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return elementwise_loss<kernels::MseLossForward, kernels::MseLossBackward>("mse_loss", input, target,
                                                                             reduction);
}

}  // namespace gnn
