#include "gnn/kernels/conv2d_pool.h"

#include "gnn/kernels/conv2d_pool_direct.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/sum_to.h"

// Direct kernels where they are better (conv2d_pool_direct.h); elsewhere the product of conv2d.cu, and one
// pass over its result: bias, ReLU and pooling. The way back is then one pass that spreads dy over the
// convolution's positions, and the products of conv2d.cu.

namespace gnn::kernels {
namespace {

/// Planes of `h` x `w` pixels that are pooled to `pooled_h` x `pooled_w`.
struct PooledPlanes {
  std::int64_t channels;
  std::int64_t h, w;
  std::int64_t pooled_h, pooled_w;
};

/// One thread per window.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    pool_kernel(const T* __restrict__ full, const T* __restrict__ bias, bool relu, PooledPlanes planes,
                std::int64_t count, T* __restrict__ y, std::uint8_t* __restrict__ choice) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
    const std::int64_t column = i % planes.pooled_w;
    const std::int64_t row = i / planes.pooled_w % planes.pooled_h;
    const std::int64_t plane = i / planes.pooled_w / planes.pooled_h;
    const T* top = full + (plane * planes.h + 2 * row) * planes.w + 2 * column;
    const T* bottom = top + planes.w;
    const T add = bias == nullptr ? T{0} : bias[plane % planes.channels];
    T best = top[0] + add;
    std::int32_t at = 0;
    offer_pixel(top[1] + add, 1, best, at);
    offer_pixel(bottom[0] + add, 2, best, at);
    offer_pixel(bottom[1] + add, 3, best, at);
    const bool cut = relu && best <= T{0};
    y[i] = cut ? T{0} : best;
    if (choice != nullptr) choice[i] = cut ? pool_no_choice : static_cast<std::uint8_t>(at);
  }
}

/// One thread per pixel of the convolution's result: its gradient is its window's, or 0.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    spread_kernel(const T* __restrict__ dy, const std::uint8_t* __restrict__ choice, PooledPlanes planes,
                  std::int64_t count, T* __restrict__ full) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
    const std::int64_t column = i % planes.w;
    const std::int64_t row = i / planes.w % planes.h;
    const std::int64_t plane = i / planes.w / planes.h;
    T grad{0};
    if (row / 2 < planes.pooled_h && column / 2 < planes.pooled_w) {
      const std::int64_t window = (plane * planes.pooled_h + row / 2) * planes.pooled_w + column / 2;
      if (choice[window] == static_cast<std::uint8_t>(row % 2 * 2 + column % 2)) grad = dy[window];
    }
    full[i] = grad;
  }
}

PooledPlanes planes_of(const Conv2dPoolSizes& z) {
  return {z.conv.o, z.conv.oh, z.conv.ow, z.pooled.h, z.pooled.w};
}

Tensor convolution_result(const Conv2dPoolSizes& z, const TensorOptions& options) {
  return empty({z.conv.n, z.conv.o, z.conv.oh, z.conv.ow}, options);
}

}  // namespace

void Conv2dPoolForward::cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                             Tensor& choice, const Conv2dPoolParameters& parameters) {
  const Conv2dPoolSizes z = conv2d_pool_sizes(name, x, weight, bias, y, choice, parameters);
  if (y.numel() == 0) return;
  if (direct_forward(z, x, weight, bias, parameters.relu, y, choice)) return;
  Tensor full = convolution_result(z, x.options());
  Conv2dForward::cuda(x, weight, {}, full, parameters.conv);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(pool_kernel<T>, dim3(elementwise_grid(y.numel())), dim3(elementwise_block), 0, y.device(),
           full.data<T>(), bias.defined() ? bias.data<T>() : nullptr, parameters.relu, planes_of(z),
           y.numel(), y.mutable_data<T>(), choice.defined() ? choice.mutable_data<std::uint8_t>() : nullptr);
  });
}

void Conv2dPoolBackward::cuda(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& choice,
                              Tensor& dx, Tensor& dweight, Tensor& dbias,
                              const Conv2dPoolParameters& parameters) {
  const Tensor& image = dweight.defined() || dbias.defined() ? x : dx;
  const Conv2dPoolSizes z = conv2d_pool_sizes(name, image, weight, dbias, dy, choice, parameters);
  if (dy.numel() == 0) {
    for (Tensor* gradient : {&dx, &dweight, &dbias}) {
      if (gradient->defined()) Fill::cuda(*gradient, 0.0);
    }
    return;
  }
  const bool dx_is_done =
      !dx.defined() || dx.numel() == 0 || direct_input_gradient(z, weight, dy, choice, dx);
  const bool rest_is_done =
      (!dweight.defined() && !dbias.defined()) || direct_weight_gradient(z, x, dy, choice, dweight, dbias);
  if (dx_is_done && rest_is_done) return;
  Tensor full = convolution_result(z, dy.options());
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(spread_kernel<T>, dim3(elementwise_grid(full.numel())), dim3(elementwise_block), 0, dy.device(),
           dy.data<T>(), choice.data<std::uint8_t>(), planes_of(z), full.numel(), full.mutable_data<T>());
  });
  if (!dx_is_done) Conv2dInputGradient::cuda(full, weight, dx, parameters.conv);
  if (rest_is_done) return;
  if (dweight.defined()) Conv2dWeightGradient::cuda(x, full, dweight, parameters.conv);
  if (dbias.defined()) {
    Tensor per_channel = dbias.alias({1, z.conv.o, 1, 1});
    SumTo::cuda(full, 1.0, per_channel);
  }
}

}  // namespace gnn::kernels
