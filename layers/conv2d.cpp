#include "gnn/layers/conv2d.h"

#include <optional>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/kernels/conv2d.h"
#include "gnn/kernels/run.h"
#include "gnn/kernels/sum_to.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/conv2d_pool.h"
#include "gnn/layers/init.h"
#include "gnn/layers/max_pool2d.h"
#include "gnn/layers/views.h"

namespace gnn {
namespace {

void check_options(const char* op, const Conv2dFunctionOptions& options) {
  check<ValueError>(options.stride.h > 0 && options.stride.w > 0, "{}: expected a stride from 1, got {}", op,
                    options.stride.to_string());
  check<ValueError>(options.padding.h >= 0 && options.padding.w >= 0, "{}: expected a padding from 0, got {}",
                    op, options.padding.to_string());
  check<ValueError>(options.dilation.h > 0 && options.dilation.w > 0,
                    "{}: expected a dilation from 1, got {}", op, options.dilation.to_string());
  check<ValueError>(options.groups > 0, "{}: expected groups from 1, got {}", op, options.groups);
}

}  // namespace

Shape conv2d_shape(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const Conv2dFunctionOptions& options) {
  check_options(op, options);
  check<ShapeError>(weight.dim() == 4 && weight.size(2) > 0 && weight.size(3) > 0,
                    "{}: expected weight [O, C / groups, kh, kw], got {}", op, weight.shape());
  const std::int64_t channels = weight.size(1) * options.groups;
  check<ShapeError>(weight.size(0) % options.groups == 0,
                    "{}: expected weight [O, C / groups, kh, kw] with O divisible by groups = {}, got {}", op,
                    options.groups, weight.shape());
  check<ShapeError>(
      (x.dim() == 4 || x.dim() == 3) && x.size(-3) == channels,
      "{}: expected input [N, C, H, W] or [C, H, W] with C = {} for weight {} and groups = {}, got {}", op,
      channels, weight.shape(), options.groups, x.shape());
  check<DTypeError>(x.dtype() == weight.dtype(), "{}: expected one dtype, got input {} and weight {}", op,
                    name_of(x.dtype()), name_of(weight.dtype()));
  if (bias.defined()) {
    check<ShapeError>(bias.shape() == Shape{weight.size(0)}, "{}: expected bias [{}] for weight {}, got {}",
                      op, weight.size(0), weight.shape(), bias.shape());
    check<DTypeError>(bias.dtype() == weight.dtype(), "{}: expected one dtype, got weight {} and bias {}", op,
                      name_of(weight.dtype()), name_of(bias.dtype()));
  }
  const auto positions = [&](std::int64_t size, std::int64_t kernel, std::int64_t stride,
                             std::int64_t padding, std::int64_t dilation) {
    const std::int64_t count = window_positions(size, kernel, stride, padding, dilation);
    check<ShapeError>(
        count > 0,
        "{}: a kernel of {} with dilation {} does not fit into {} pixels with padding {} (input {}, "
        "weight {})",
        op, kernel, dilation, size, padding, x.shape(), weight.shape());
    return count;
  };
  const std::int64_t rows =
      positions(x.size(-2), weight.size(2), options.stride.h, options.padding.h, options.dilation.h);
  const std::int64_t columns =
      positions(x.size(-1), weight.size(3), options.stride.w, options.padding.w, options.dilation.w);
  return x.shape().with(x.dim() - 3, weight.size(0)).with(x.dim() - 2, rows).with(x.dim() - 1, columns);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Conv2dFunctionOptions& options) {
  const Shape shape = conv2d_shape("conv2d", x, weight, bias, options);
  if (x.dim() == 3) {  // one image: a batch of one
    const Tensor batch = reshape(x, {1, x.size(0), x.size(1), x.size(2)});
    return flatten(conv2d(batch, weight, bias, options), 0, 1);
  }
  Tensor y = empty(shape, x.options());
  const kernels::Conv2dParameters parameters{options.stride, options.padding, options.dilation,
                                             options.groups};
  kernels::run<kernels::Conv2dForward>(x, weight, bias, y, parameters);

  if (!is_recording({x, weight, bias})) return y;
  const Saved saved_x = weight.requires_grad() ? save(x) : Saved();
  const Saved saved_weight = x.requires_grad() ? save(weight) : Saved();
  return record("conv2d", y, {x, weight, bias},
                [saved_x, saved_weight, parameters, input = x.shape(), kernel = weight.shape()](
                    const Tensor& dy, Gradients& grads) {
                  if (grads.needed(0)) {
                    Tensor dx = empty(input, dy.options());
                    kernels::run<kernels::Conv2dInputGradient>(dy, saved_weight.get(), dx, parameters);
                    grads.set(0, dx);
                  }
                  if (grads.needed(1)) {
                    Tensor dweight = empty(kernel, dy.options());
                    kernels::run<kernels::Conv2dWeightGradient>(saved_x.get(), dy, dweight, parameters);
                    grads.set(1, dweight);
                  }
                  if (grads.needed(2)) {
                    Tensor dbias = empty({kernel[0]}, dy.options());
                    Tensor per_channel = dbias.alias({1, kernel[0], 1, 1});
                    kernels::run<kernels::SumTo>(dy, 1.0, per_channel);
                    grads.set(2, dbias);
                  }
                });
}

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size,
               const Conv2dOptions& options)
    : Module("Conv2d"), options_{options.stride, options.padding, options.dilation, options.groups} {
  check_options("Conv2d", options_);
  check<ValueError>(in_channels > 0 && out_channels > 0 && kernel_size.h > 0 && kernel_size.w > 0,
                    "Conv2d: expected channels and kernel size from 1, got {}, {}, {}", in_channels,
                    out_channels, kernel_size.to_string());
  check<ValueError>(in_channels % options.groups == 0 && out_channels % options.groups == 0,
                    "Conv2d: groups = {} does not divide the channels {} and {}", options.groups, in_channels,
                    out_channels);
  const Shape shape{out_channels, in_channels / options.groups, kernel_size.h, kernel_size.w};
  const std::int64_t fan_in = fan_in_of(shape);
  weight = parameter("weight", uniform_fan_in(shape, fan_in));
  if (options.bias) bias = parameter("bias", uniform_fan_in({out_channels}, fan_in));
}

Tensor Conv2d::forward(const Tensor& x) {
  return conv2d(x, weight, bias, options_);
}

Tensor Conv2d::pooled(const Tensor& x, bool with_relu) {
  if (ForwardObserver::active()) {  // which is to see this layer's own result
    const Tensor y = (*this)(x);
    return max_pool2d(with_relu ? relu(y) : y, 2);
  }
  std::optional<LayerScope> scope;
  if (!name().empty()) scope.emplace(name());
  return conv2d_pool(x, weight, bias,
                     {options_.stride, options_.padding, options_.dilation, options_.groups, with_relu});
}

std::string Conv2d::describe() const {
  std::string text = fmt::format("{}, {}, kernel_size={}", weight.size(1) * options_.groups, weight.size(0),
                                 Size2(weight.size(2), weight.size(3)).to_string());
  if (options_.stride != Size2(1)) text += ", stride=" + options_.stride.to_string();
  if (options_.padding != Size2(0)) text += ", padding=" + options_.padding.to_string();
  if (options_.dilation != Size2(1)) text += ", dilation=" + options_.dilation.to_string();
  if (options_.groups != 1) text += fmt::format(", groups={}", options_.groups);
  if (!bias.defined()) text += ", bias=false";
  return text;
}

std::int64_t Conv2d::flops(const Shape&, const Shape& output) const {
  const std::int64_t terms = weight.numel() / weight.size(0);
  return output.numel() * (2 * terms + (bias.defined() ? 1 : 0));
}

}  // namespace gnn
