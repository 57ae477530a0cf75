#include "gnn/layers/copy.h"

#include "gnn/autograd/tape.h"
#include "gnn/kernels/copy.h"

namespace gnn {

Tensor to(const Tensor& x, Device device) {
  if (x.device() == device) return x;
  Tensor y = empty(x.shape(), {.dtype = x.dtype(), .device = device});
  y.copy_from(x);
  return record("to", y, {x},
                [home = x.device()](const Tensor& grad, Gradients& grads) { grads.set(0, to(grad, home)); });
}

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = empty(x.shape(), {.dtype = dtype, .device = x.device()});
  kernels::run<kernels::Cast>(x, y);
  if (!is_floating(dtype)) return y;
  return record("to", y, {x}, [original = x.dtype()](const Tensor& grad, Gradients& grads) {
    grads.set(0, to(grad, original));
  });
}

Tensor clone(const Tensor& x) {
  Tensor y = empty_like(x);
  y.copy_from(x);
  return record("clone", y, {x}, [](const Tensor& grad, Gradients& grads) { grads.set(0, grad); });
}

}  // namespace gnn
