#include "gnn/kernels/conv2d_pool.h"

#include <type_traits>

#include "gnn/kernels/broadcast.cuh"
#include "gnn/kernels/conv2d_pool_direct.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/sum_to.h"

// Direct kernels where they are better (conv2d_pool_direct.h); elsewhere the product of conv2d.cu, and one
// pass over its result: bias, ReLU and pooling. The way back is then one pass that spreads dy over the
// convolution's positions, and the products of conv2d.cu.

namespace gnn::kernels {
namespace {

/// Planes of `h` x `w` pixels that are pooled to `pooled_h` x `pooled_w`, cut into groups of windows, for a
/// thread each: neighbours of one row whose pixels are vectors of 16 bytes of two rows, or one window where
/// those would not be aligned.
struct PooledPlanes {
  FastDivide channels;
  std::int64_t h, w;
  std::int64_t pooled_h, pooled_w;
  std::int64_t groups;         // in all
  FastDivide groups_in_plane;  // fewer than 2^31
  int groups_in_row;
};

/// y and choice of all windows.
template <int Windows, class T>
__global__ void __launch_bounds__(elementwise_block)
    pool_kernel(const T* __restrict__ full, const T* __restrict__ bias, bool relu, PooledPlanes planes,
                T* __restrict__ y, std::uint8_t* __restrict__ choice) {
  for (std::int64_t group = global_thread(); group < planes.groups; group += grid_threads()) {
    std::int64_t plane = group;
    const auto in_plane = static_cast<int>(planes.groups_in_plane.split(plane));
    const std::int64_t row = in_plane / planes.groups_in_row;
    const std::int64_t column = static_cast<std::int64_t>(in_plane % planes.groups_in_row) * Windows;
    const std::int64_t valid = planes.pooled_w - column;
    const T* const top = full + (plane * planes.h + 2 * row) * planes.w + 2 * column;
    const auto upper = load_vector<2 * Windows>(top, 2 * valid);
    const auto lower = load_vector<2 * Windows>(top + planes.w, 2 * valid);
    std::int64_t image = plane;
    const std::int64_t channel = planes.channels.split(image);
    const T add = bias == nullptr ? T{0} : bias[channel];
    Vector<T, Windows> maxima;
    Vector<std::uint8_t, Windows> choices;
#pragma unroll
    for (int i = 0; i < Windows; ++i) {
      T best = upper[2 * i] + add;
      std::int32_t at = 0;
      offer_pixel(upper[2 * i + 1] + add, 1, best, at);
      offer_pixel(lower[2 * i] + add, 2, best, at);
      offer_pixel(lower[2 * i + 1] + add, 3, best, at);
      const bool cut = relu && best <= T{0};
      maxima[i] = cut ? T{0} : best;
      choices[i] = cut ? pool_no_choice : static_cast<std::uint8_t>(at);
    }
    const std::int64_t to = (plane * planes.pooled_h + row) * planes.pooled_w + column;
    store_vector(y + to, maxima, valid);
    if (choice != nullptr) store_vector(choice + to, choices, valid);
  }
}

/// The gradient of every pixel of the convolution's result: its window's, or 0. The groups cover the pixels
/// of an odd last row or column as well, which are in no window.
template <int Windows, class T>
__global__ void __launch_bounds__(elementwise_block)
    spread_kernel(const T* __restrict__ dy, const std::uint8_t* __restrict__ choice, PooledPlanes planes,
                  T* __restrict__ full) {
  for (std::int64_t group = global_thread(); group < planes.groups; group += grid_threads()) {
    std::int64_t plane = group;
    const auto in_plane = static_cast<int>(planes.groups_in_plane.split(plane));
    const std::int64_t row = in_plane / planes.groups_in_row;
    const std::int64_t column = static_cast<std::int64_t>(in_plane % planes.groups_in_row) * Windows;
    const std::int64_t from = (plane * planes.pooled_h + row) * planes.pooled_w + column;
    const std::int64_t valid = row < planes.pooled_h ? planes.pooled_w - column : 0;
    const auto gradients = load_vector<Windows>(dy + from, valid);
    const auto choices = load_vector<Windows>(choice + from, valid, pool_no_choice);
    Vector<T, 2 * Windows> upper;
    Vector<T, 2 * Windows> lower;
#pragma unroll
    for (int i = 0; i < Windows; ++i) {
      upper[2 * i] = choices[i] == 0 ? gradients[i] : T{0};
      upper[2 * i + 1] = choices[i] == 1 ? gradients[i] : T{0};
      lower[2 * i] = choices[i] == 2 ? gradients[i] : T{0};
      lower[2 * i + 1] = choices[i] == 3 ? gradients[i] : T{0};
    }
    T* const to = full + (plane * planes.h + 2 * row) * planes.w + 2 * column;
    store_vector(to, upper, planes.w - 2 * column);
    if (2 * row + 1 < planes.h) store_vector(to + planes.w, lower, planes.w - 2 * column);
  }
}

/// Calls f(windows, planes): the number of windows in a group as a constant, and groups of them that cover
/// `rows` x `columns` windows of each plane.
template <class T, class F>
void with_groups(const Conv2dPoolSizes& z, std::int64_t rows, std::int64_t columns, const F& f) {
  const auto call = [&](auto windows) {
    const std::int64_t groups = (columns + windows - 1) / windows;
    f(windows,
      PooledPlanes{FastDivide(z.conv.o), z.conv.oh, z.conv.ow, z.pooled.h, z.pooled.w,
                   z.conv.n * z.conv.o * rows * groups, FastDivide(rows * groups), static_cast<int>(groups)});
  };
  constexpr int most = vector_width<T> / 2;
  if (z.conv.ow % vector_width<T> == 0) return call(std::integral_constant<int, most>{});
  call(std::integral_constant<int, 1>{});
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
    with_groups<T>(z, z.pooled.h, z.pooled.w, [&](auto windows, const PooledPlanes& planes) {
      launch(pool_kernel<decltype(windows)::value, T>, dim3(elementwise_grid(planes.groups)),
             dim3(elementwise_block), 0, y.device(), full.data<T>(),
             bias.defined() ? bias.data<T>() : nullptr, parameters.relu, planes, y.mutable_data<T>(),
             choice.defined() ? choice.mutable_data<std::uint8_t>() : nullptr);
    });
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
    const Size2 covered{(z.conv.oh + 1) / 2, (z.conv.ow + 1) / 2};
    with_groups<T>(z, covered.h, covered.w, [&](auto windows, const PooledPlanes& planes) {
      launch(spread_kernel<decltype(windows)::value, T>, dim3(elementwise_grid(planes.groups)),
             dim3(elementwise_block), 0, dy.device(), dy.data<T>(), choice.data<std::uint8_t>(), planes,
             full.mutable_data<T>());
    });
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
