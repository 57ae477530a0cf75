#include "gnn/layers/max_pool2d.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/max_pool2d.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/pooling.h"

namespace gnn {

Tensor max_pool2d(const Tensor& x, Size2 kernel_size, const MaxPool2dOptions& options) {
  const kernels::PoolWindow window{.size = kernel_size,
                                   .stride = options.stride.value_or(kernel_size),
                                   .padding = options.padding,
                                   .dilation = options.dilation};
  const Shape shape = pooled_shape("max_pool2d", x, window, options.ceil_mode);
  Tensor y = empty(shape, x.options());
  Tensor argmax;  // stays undefined when no backward pass will ask for it
  if (is_recording({x})) argmax = empty(shape, {DType::int32, x.device()});
  kernels::run<kernels::MaxPool2dForward>(x, window, y, argmax);
  return record("max_pool2d", y, {x},
                [argmax = save(argmax), window, input = x.shape()](const Tensor& grad, Gradients& grads) {
                  Tensor dx = empty(input, grad.options());
                  kernels::run<kernels::MaxPool2dBackward>(grad, argmax.get(), window, dx);
                  grads.set(0, dx);
                });
}

Tensor max_pool2d(const Tensor& x, Size2 kernel_size, Size2 stride) {
  return max_pool2d(x, kernel_size, MaxPool2dOptions{.stride = stride});
}

MaxPool2d::MaxPool2d(Size2 kernel_size, const MaxPool2dOptions& options)
    : Module("MaxPool2d"), kernel_size_(kernel_size), options_(options) {}

Tensor MaxPool2d::forward(const Tensor& x) {
  return max_pool2d(x, kernel_size_, options_);
}

bool MaxPool2d::halves() const {
  const Size2 two = 2;
  return kernel_size_ == two && options_.stride.value_or(kernel_size_) == two &&
         options_.padding == Size2(0) && options_.dilation == Size2(1) && !options_.ceil_mode;
}

std::string MaxPool2d::describe() const {
  std::string text = fmt::format("kernel_size={}, stride={}", kernel_size_.to_string(),
                                 options_.stride.value_or(kernel_size_).to_string());
  if (options_.padding != Size2(0)) text += ", padding=" + options_.padding.to_string();
  if (options_.dilation != Size2(1)) text += ", dilation=" + options_.dilation.to_string();
  if (options_.ceil_mode) text += ", ceil_mode=true";
  return text;
}

std::int64_t MaxPool2d::flops(const Shape&, const Shape& output) const {
  return output.numel() * (kernel_size_.area() - 1);
}

}  // namespace gnn
