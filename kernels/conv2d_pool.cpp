#include "gnn/kernels/conv2d_pool.h"

#include <algorithm>
#include <limits>

#include "gnn/core/check.h"
#include "gnn/kernels/conv2d_pool_gradients.h"
#include "gnn/kernels/conv2d_windows.h"
#include "gnn/kernels/fill.h"

namespace gnn::kernels {

Conv2dPoolSizes conv2d_pool_sizes(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  const Tensor& y, const Tensor& choice,
                                  const Conv2dPoolParameters& parameters) {
  check<ShapeError>(x.dim() == 4 && weight.dim() == 4 && y.dim() == 4,
                    "{}: expected four dimensions each, got {}, weight {}, output {}", op, x.shape(),
                    weight.shape(), y.shape());
  Conv2dPoolSizes z;
  z.conv = conv2d_sizes(op, x, weight, parameters.conv);
  const std::int64_t height = z.conv.h + 2 * z.conv.padding.h;
  const std::int64_t width = z.conv.w + 2 * z.conv.padding.w + 2 * z.conv.stride.w;
  check<ShapeError>(
      height <= std::numeric_limits<std::int32_t>::max() / std::max<std::int64_t>(width * z.conv.c, 1),
      "{}: expected images of fewer than 2^31 elements with their padding, got {}; use conv2d and max_pool2d",
      op, x.shape());
  z.pooled = {z.conv.oh / 2, z.conv.ow / 2};
  z.outputs = z.pooled.area();
  check<ShapeError>(y.shape() == Shape{z.conv.n, z.conv.o, z.pooled.h, z.pooled.w},
                    "{}: expected output [{}, {}, {}, {}] for input {} and weight {}, got {}", op, z.conv.n,
                    z.conv.o, z.pooled.h, z.pooled.w, x.shape(), weight.shape(), y.shape());
  check<DTypeError>(y.dtype() == x.dtype(), "{}: expected one dtype, got input {} and output {}", op,
                    x.dtype(), y.dtype());
  check<ShapeError>(!bias.defined() || bias.shape() == Shape{z.conv.o}, "{}: expected bias [{}], got {}", op,
                    z.conv.o, bias.defined() ? bias.shape() : Shape{});
  check<DTypeError>(!bias.defined() || bias.dtype() == x.dtype(),
                    "{}: expected one dtype, got input {} and bias {}", op, x.dtype(),
                    bias.defined() ? bias.dtype() : DType::float32);
  check<ShapeError>(!choice.defined() || (choice.shape() == y.shape() && choice.dtype() == DType::uint8),
                    "{}: expected choice uint8 {}, got {} {}", op, y.shape(),
                    choice.defined() ? choice.dtype() : DType::uint8,
                    choice.defined() ? choice.shape() : Shape{});
  return z;
}

void Conv2dPoolForward::cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                            Tensor& choice, const Conv2dPoolParameters& parameters) {
  const Conv2dPoolSizes z = conv2d_pool_sizes(name, x, weight, bias, y, choice, parameters);
  if (y.numel() == 0) return;
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const Conv2dWindows<T> call{.conv = z.conv,
                                .windows = z.pooled,
                                .pooled = true,
                                .relu = parameters.relu,
                                .x = x.data<T>(),
                                .weight = weight.data<T>(),
                                .bias = bias.defined() ? bias.data<T>() : nullptr,
                                .y = y.mutable_data<T>(),
                                .choice = choice.defined() ? choice.mutable_data<std::uint8_t>() : nullptr,
                                .options = x.options()};
    if (images_fill_lanes(call)) {
      windows_by_images(call);
    } else {
      windows_by_positions(call);
    }
  });
}

void Conv2dPoolBackward::cpu(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& choice,
                             Tensor& dx, Tensor& dweight, Tensor& dbias,
                             const Conv2dPoolParameters& parameters) {
  const bool weights_too = dweight.defined() || dbias.defined();
  const Conv2dPoolSizes z =
      conv2d_pool_sizes(name, weights_too ? x : dx, weight, dbias, dy, choice, parameters);
  const auto zero = [](Tensor& t) {
    if (t.defined()) Fill::cpu(t, 0.0);
  };
  if (dy.numel() == 0) {
    for (Tensor* t : {&dx, &dweight, &dbias}) zero(*t);
    return;
  }
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto* chosen = choice.data<std::uint8_t>();
    if (dx.defined() && dx.numel() > 0)
      pool_input_gradient<T>(z, dy.data<T>(), chosen, weight.data<T>(), dx.mutable_data<T>(), dx.device());
    if (weights_too) {
      pool_weight_gradient<T>(z, parameters.relu, x.data<T>(), dy.data<T>(), chosen,
                              dweight.defined() ? dweight.mutable_data<T>() : nullptr,
                              dbias.defined() ? dbias.mutable_data<T>() : nullptr, dy.device());
    }
  });
}

}  // namespace gnn::kernels
