#include "gnn/kernels/mse_loss.h"

#include "gnn/kernels/elementwise_loss.h"

namespace gnn::kernels {

void MseLossForward::cpu(const Tensor& input, const Tensor& target, double scale, Tensor& loss) {
  elementwise_loss_cpu<SquaredError>(name, input, target, scale, loss);
}

void MseLossBackward::cpu(const Tensor& input, const Tensor& target, const Tensor& grad, double scale,
                          Tensor& dinput, Tensor& dtarget) {
  elementwise_loss_backward_cpu<SquaredError>(name, input, target, grad, scale, dinput, dtarget);
}

}  // namespace gnn::kernels
