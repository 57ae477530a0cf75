#include "gnn/layers/reduce.h"

#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/reduce.h"
#include "gnn/layers/copy.h"

namespace gnn {
namespace {

void check_floating(const char* op, const Tensor& x) {
  check<DTypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                    "{}: expected float32 or float64, got {}", op, x.dtype());
}

void check_not_empty(const char* op, const Shape& shape, AxisMask mask) {
  for (std::size_t axis = 0; axis < shape.dim(); ++axis) {
    check<ShapeError>(!mask.test(axis) || shape[axis] > 0,
                      "{}: axis {} of an input of shape {} is empty and has no largest element", op, axis,
                      shape);
  }
}

Tensor scaled_sum(const char* op, const Tensor& x, AxisMask mask, double scale, bool keepdim) {
  Tensor y = empty(reduced_shape(x.shape(), mask, keepdim), x.options());
  kernels::sum_axes(x, mask, scale, y);
  return record(op, y, {x}, [shape = x.shape(), mask, scale](const Tensor& grad, Gradients& grads) {
    Tensor dx = empty(shape, grad.options());
    kernels::expand_axes(grad, mask, scale, dx);
    grads.set(0, dx);
  });
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  if (!is_floating(x.dtype())) return to(sum(to(x, DType::float64), axes, keepdim), DType::int64);
  check_floating("sum", x);
  return scaled_sum("sum", x, axes.mask("sum", x.shape()), 1.0, keepdim);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  check_floating("mean", x);
  const AxisMask mask = axes.mask("mean", x.shape());
  double count = 1;
  for (std::size_t axis = 0; axis < x.dim(); ++axis) {
    if (mask.test(axis)) count *= static_cast<double>(x.shape()[axis]);
  }
  return scaled_sum("mean", x, mask, 1.0 / count, keepdim);  // 0 * infinity = NaN for the mean of nothing
}

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) {
  check_floating("max", x);
  const AxisMask mask = axes.mask("max", x.shape());
  check_not_empty("max", x.shape(), mask);
  const std::vector<kernels::ReduceDims> passes =
      kernels::reduction_passes(x.shape(), mask, kernels::PassOrder::innermost_first);
  const bool recording = is_recording({x});
  Tensor y = x;
  std::vector<Saved> indices;  // of each pass
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const Shape shape = i + 1 == passes.size() ? reduced_shape(x.shape(), mask, keepdim)
                                               : Shape{passes[i].outer * passes[i].inner};
    Tensor values = empty(shape, x.options());
    Tensor at = recording ? empty(shape, {.dtype = DType::int64, .device = x.device()}) : Tensor();
    kernels::run<kernels::Max>(y, passes[i], values, at);
    if (recording) indices.push_back(save(at));
    y = values;
  }
  return record("max", y, {x}, [shape = x.shape(), passes, indices](const Tensor& grad, Gradients& grads) {
    Tensor dy = grad;
    for (std::size_t i = passes.size(); i-- > 0;) {
      const auto& [outer, reduced, inner] = passes[i];
      Tensor dx = empty(i == 0 ? shape : Shape{outer * reduced * inner}, grad.options());
      kernels::run<kernels::MaxBackward>(dy, indices[i].get(), passes[i], dx);
      dy = dx;
    }
    grads.set(0, dy);
  });
}

Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis, bool keepdim) {
  check_floating("argmax", x);
  const AxisMask mask = (axis ? Axes(*axis) : Axes()).mask("argmax", x.shape());
  check_not_empty("argmax", x.shape(), mask);
  kernels::ReduceDims dims{1, 1, 1};
  bool before = true;
  for (std::size_t i = 0; i < x.dim(); ++i) {
    if (mask.test(i)) {
      dims.reduced *= x.shape()[i];
      before = false;
    } else {
      (before ? dims.outer : dims.inner) *= x.shape()[i];
    }
  }
  Tensor values;
  Tensor indices =
      empty(reduced_shape(x.shape(), mask, keepdim), {.dtype = DType::int64, .device = x.device()});
  kernels::run<kernels::Max>(x, dims, values, indices);
  return indices;
}

}  // namespace gnn
