#include "gnn/kernels/l1_loss.h"

#include "gnn/kernels/elementwise_loss.cuh"

namespace gnn::kernels {

void L1LossForward::cuda(const Tensor& input, const Tensor& target, double scale, Tensor& loss) {
  elementwise_loss_cuda<AbsoluteError>(name, input, target, scale, loss);
}

void L1LossBackward::cuda(const Tensor& input, const Tensor& target, const Tensor& grad, double scale,
                          Tensor& dinput, Tensor& dtarget) {
  elementwise_loss_backward_cuda<AbsoluteError>(name, input, target, grad, scale, dinput, dtarget);
}

}  // namespace gnn::kernels
