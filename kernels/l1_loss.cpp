#include "gnn/kernels/l1_loss.h"

#include "gnn/kernels/elementwise_loss.h"

namespace gnn::kernels {

void L1LossForward::cpu(const Tensor& input, const Tensor& target, double scale, Tensor& loss) {
  elementwise_loss_cpu<AbsoluteError>(name, input, target, scale, loss);
}

void L1LossBackward::cpu(const Tensor& input, const Tensor& target, const Tensor& grad, double scale,
                         Tensor& dinput, Tensor& dtarget) {
  elementwise_loss_backward_cpu<AbsoluteError>(name, input, target, grad, scale, dinput, dtarget);
}

}  // namespace gnn::kernels
