#include "gnn/layers/conv2d_pool.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/conv2d_pool.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/views.h"

namespace gnn {

Tensor conv2d_pool(const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const Conv2dPoolOptions& options) {
  const Shape full = conv2d_shape("conv2d_pool", x, weight, bias,
                                  {options.stride, options.padding, options.dilation, options.groups});
  check<ShapeError>(
      full.size(-2) >= 2 && full.size(-1) >= 2,
      "conv2d_pool: 2 x 2 windows do not fit into a convolution's result of {} (input {}, weight "
      "{})",
      full, x.shape(), weight.shape());
  if (x.dim() == 3) {  // one image: a batch of one
    const Tensor batch = reshape(x, {1, x.size(0), x.size(1), x.size(2)});
    return flatten(conv2d_pool(batch, weight, bias, options), 0, 1);
  }
  const kernels::Conv2dPoolParameters parameters{
      {options.stride, options.padding, options.dilation, options.groups}, options.relu};
  const Shape shape{full[0], full[1], full[2] / 2, full[3] / 2};
  Tensor y = empty(shape, x.options());
  Tensor choice;  // stays undefined when no backward pass will ask for it
  const bool recording = is_recording({x, weight, bias});
  if (recording) choice = empty(shape, {DType::uint8, x.device()});
  kernels::run<kernels::Conv2dPoolForward>(x, weight, bias, y, choice, parameters);

  if (!recording) return y;
  const bool weights_too = weight.requires_grad() || (bias.defined() && bias.requires_grad());
  const Saved saved_x = weights_too ? save(x) : Saved();
  const Saved saved_weight = x.requires_grad() ? save(weight) : Saved();
  return record("conv2d_pool", y, {x, weight, bias},
                [saved_x, saved_weight, choice = save(choice), parameters, input = x.shape(),
                 weight = weight.detach()](const Tensor& dy, Gradients& grads) {
                  // Without dx only the weight's shape counts, and it may have been changed in place.
                  const Tensor& kernel = grads.needed(0) ? saved_weight.get() : weight;
                  Tensor dx = grads.needed(0) ? empty(input, dy.options()) : Tensor();
                  Tensor dweight = grads.needed(1) ? empty_like(kernel) : Tensor();
                  Tensor dbias = grads.needed(2) ? empty({kernel.size(0)}, dy.options()) : Tensor();
                  kernels::run<kernels::Conv2dPoolBackward>(saved_x.get(), kernel, dy, choice.get(), dx,
                                                            dweight, dbias, parameters);
                  if (dx.defined()) grads.set(0, dx);
                  if (dweight.defined()) grads.set(1, dweight);
                  if (dbias.defined()) grads.set(2, dbias);
                });
}

}  // namespace gnn
