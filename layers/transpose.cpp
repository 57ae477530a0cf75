#include "gnn/layers/transpose.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/transpose.h"

namespace gnn {

Tensor transpose(const Tensor& x) {
  check<ShapeError>(x.dim() >= 2, "transpose: expected an input of two dimensions or more, got {}",
                    x.shape());
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  std::int64_t batch = 1;
  for (std::size_t axis = 0; axis + 2 < x.dim(); ++axis) batch *= x.shape()[axis];
  Tensor y = empty(x.shape().with(x.dim() - 2, columns).with(x.dim() - 1, rows), x.options());
  kernels::run<kernels::Transpose>(x, batch, rows, columns, y);
  return record("transpose", y, {x},
                [shape = x.shape(), batch, rows, columns](const Tensor& dy, Gradients& grads) {
                  Tensor dx = empty(shape, dy.options());
                  kernels::run<kernels::Transpose>(dy, batch, columns, rows, dx);
                  grads.set(0, dx);
                });
}

}  // namespace gnn
