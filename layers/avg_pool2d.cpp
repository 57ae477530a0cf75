#include "gnn/layers/avg_pool2d.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/avg_pool2d.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/pooling.h"

namespace gnn {

Tensor avg_pool2d(const Tensor& x, Size2 kernel_size, const AvgPool2dOptions& options) {
  check<ValueError>(options.divisor_override.value_or(1) != 0,
                    "avg_pool2d: expected divisor_override != 0, got 0");
  const kernels::AveragePool pool{.window = {.size = kernel_size,
                                             .stride = options.stride.value_or(kernel_size),
                                             .padding = options.padding},
                                  .count_include_pad = options.count_include_pad,
                                  .divisor_override = options.divisor_override.value_or(0)};
  Tensor y = empty(pooled_shape("avg_pool2d", x, pool.window, options.ceil_mode), x.options());
  kernels::run<kernels::AvgPool2dForward>(x, pool, y);
  return record("avg_pool2d", y, {x}, [pool, input = x.shape()](const Tensor& grad, Gradients& grads) {
    Tensor dx = empty(input, grad.options());
    kernels::run<kernels::AvgPool2dBackward>(grad, pool, dx);
    grads.set(0, dx);
  });
}

Tensor avg_pool2d(const Tensor& x, Size2 kernel_size, Size2 stride) {
  return avg_pool2d(x, kernel_size, AvgPool2dOptions{.stride = stride});
}

AvgPool2d::AvgPool2d(Size2 kernel_size, const AvgPool2dOptions& options)
    : Module("AvgPool2d"), kernel_size_(kernel_size), options_(options) {}

Tensor AvgPool2d::forward(const Tensor& x) {
  return avg_pool2d(x, kernel_size_, options_);
}

std::string AvgPool2d::describe() const {
  std::string text = fmt::format("kernel_size={}, stride={}", kernel_size_.to_string(),
                                 options_.stride.value_or(kernel_size_).to_string());
  if (options_.padding != Size2(0)) text += ", padding=" + options_.padding.to_string();
  if (options_.ceil_mode) text += ", ceil_mode=true";
  if (!options_.count_include_pad) text += ", count_include_pad=false";
  if (options_.divisor_override) text += fmt::format(", divisor_override={}", *options_.divisor_override);
  return text;
}

std::int64_t AvgPool2d::flops(const Shape&, const Shape& output) const {
  return output.numel() * kernel_size_.area();
}

}  // namespace gnn
