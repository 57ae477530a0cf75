#include <cstdint>
#include <limits>

#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/max_pool2d.h"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/pool_window.cuh"

namespace gnn::kernels {
namespace {

/// One thread per output.
template <class T, class I>
__global__ void max_pool2d_forward(const T* __restrict__ x, PoolGeometry<I> g, T* __restrict__ y,
                                   std::int32_t* __restrict__ argmax) {
  const I outputs = g.planes * g.out_h * g.out_w;
  for (std::int64_t o = global_thread(); o < outputs; o += grid_threads()) {
    const I out = static_cast<I>(o);
    const I ow = out % g.out_w;
    const I oh = out / g.out_w % g.out_h;
    const T* image = x + static_cast<std::int64_t>(out / g.out_w / g.out_h) * g.in_h * g.in_w;
    T best = -std::numeric_limits<T>::infinity();
    std::int32_t at = -1;
    for (I i = 0; i < g.size_h; ++i) {
      const I h = oh * g.stride_h - g.padding_h + i * g.dilation_h;
      if (h < 0 || h >= g.in_h) continue;
      for (I j = 0; j < g.size_w; ++j) {
        const I w = ow * g.stride_w - g.padding_w + j * g.dilation_w;
        if (w < 0 || w >= g.in_w) continue;
        const T value = image[h * g.in_w + w];
        const auto index = static_cast<std::int32_t>(h * g.in_w + w);
        if (at < 0) {  // the window's first pixel
          best = value;
          at = index;
        } else {
          offer_pixel(value, index, best, at);
        }
      }
    }
    y[o] = best;
    if (argmax != nullptr) argmax[o] = at;
  }
}

/// One thread per pixel: it gathers from the windows that cover it.
template <class T, class I>
__global__ void max_pool2d_backward(const T* __restrict__ dy, const std::int32_t* __restrict__ argmax,
                                    PoolGeometry<I> g, T* __restrict__ dx) {
  const I pixels = g.planes * g.in_h * g.in_w;
  for (std::int64_t p = global_thread(); p < pixels; p += grid_threads()) {
    const I pixel = static_cast<I>(p);
    const I w = pixel % g.in_w;
    const I h = pixel / g.in_w % g.in_h;
    const std::int64_t first = static_cast<std::int64_t>(pixel / g.in_w / g.in_h) * g.out_h * g.out_w;
    const auto here = static_cast<std::int32_t>(h * g.in_w + w);
    const I end_h = end_window<I>(h, g.stride_h, g.padding_h, g.out_h);
    const I end_w = end_window<I>(w, g.stride_w, g.padding_w, g.out_w);
    T sum = 0;
    for (I oh = first_window<I>(h, g.size_h, g.stride_h, g.padding_h, g.dilation_h); oh < end_h; ++oh) {
      for (I ow = first_window<I>(w, g.size_w, g.stride_w, g.padding_w, g.dilation_w); ow < end_w; ++ow) {
        const std::int64_t o = first + oh * g.out_w + ow;
        if (argmax[o] == here) sum += dy[o];
      }
    }
    dx[p] = sum;
  }
}

/// 2x2 windows with stride 2 that cover every pixel once, rows of even width: two pixels per load.
template <class T, class I>
__global__ void max_pool2d_pairs_forward(const PixelPair<T>* __restrict__ x, PoolGeometry<I> g,
                                         T* __restrict__ y, std::int32_t* __restrict__ argmax) {
  const I outputs = g.planes * g.out_h * g.out_w;
  for (std::int64_t o = global_thread(); o < outputs; o += grid_threads()) {
    const I out = static_cast<I>(o);
    const I ow = out % g.out_w;
    const I row = out / g.out_w;  // of all planes' output rows
    const PixelPair<T> top = x[static_cast<std::int64_t>(2 * row) * g.out_w + ow];
    const PixelPair<T> bottom = x[static_cast<std::int64_t>(2 * row + 1) * g.out_w + ow];
    const auto first = static_cast<std::int32_t>(row % g.out_h * 2 * g.in_w + 2 * ow);
    const auto below = static_cast<std::int32_t>(first + g.in_w);
    T best = top.a;
    std::int32_t at = first;
    offer_pixel(top.b, first + 1, best, at);
    offer_pixel(bottom.a, below, best, at);
    offer_pixel(bottom.b, below + 1, best, at);
    y[o] = best;
    if (argmax != nullptr) argmax[o] = at;
  }
}

/// Its gradient: every window owns its four pixels.
template <class T, class I>
__global__ void max_pool2d_pairs_backward(const T* __restrict__ dy, const std::int32_t* __restrict__ argmax,
                                          PoolGeometry<I> g, PixelPair<T>* __restrict__ dx) {
  const I outputs = g.planes * g.out_h * g.out_w;
  for (std::int64_t o = global_thread(); o < outputs; o += grid_threads()) {
    const I out = static_cast<I>(o);
    const I ow = out % g.out_w;
    const I row = out / g.out_w;
    const auto width = static_cast<std::int32_t>(g.in_w);
    const std::int32_t from = argmax[o] - static_cast<std::int32_t>(row % g.out_h * 2 * g.in_w + 2 * ow);
    const T grad = dy[o];
    const T zero = 0;
    dx[static_cast<std::int64_t>(2 * row) * g.out_w + ow] = {from == 0 ? grad : zero,
                                                             from == 1 ? grad : zero};
    dx[static_cast<std::int64_t>(2 * row + 1) * g.out_w + ow] = {from == width ? grad : zero,
                                                                 from == width + 1 ? grad : zero};
  }
}

}  // namespace

void MaxPool2dForward::cuda(const Tensor& x, const PoolWindow& window, Tensor& y, Tensor& argmax) {
  const PoolShape shape = max_pool2d_shape(name, x, y, argmax, window);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    with_pool_index(shape, window, [&](auto index) {
      using I = decltype(index);
      const T* pixels = x.data<T>();
      T* maxima = y.mutable_data<T>();
      std::int32_t* indices = argmax.defined() ? argmax.mutable_data<std::int32_t>() : nullptr;
      const unsigned grid = elementwise_grid(y.numel());
      if (takes_pixel_pairs(shape, window, pixels, sizeof(T))) {
        launch(max_pool2d_pairs_forward<T, I>, grid, elementwise_block, 0, x.device(),
               reinterpret_cast<const PixelPair<T>*>(pixels), pool_geometry<I>(shape, window), maxima,
               indices);
      } else {
        launch(max_pool2d_forward<T, I>, grid, elementwise_block, 0, x.device(), pixels,
               pool_geometry<I>(shape, window), maxima, indices);
      }
    });
  });
}

void MaxPool2dBackward::cuda(const Tensor& dy, const Tensor& argmax, const PoolWindow& window, Tensor& dx) {
  const PoolShape shape = max_pool2d_shape(name, dx, dy, argmax, window);
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    with_pool_index(shape, window, [&](auto index) {
      using I = decltype(index);
      T* pixels = dx.mutable_data<T>();
      if (takes_pixel_pairs(shape, window, pixels, sizeof(T))) {
        launch(max_pool2d_pairs_backward<T, I>, elementwise_grid(dy.numel()), elementwise_block, 0,
               dy.device(), dy.data<T>(), argmax.data<std::int32_t>(), pool_geometry<I>(shape, window),
               reinterpret_cast<PixelPair<T>*>(pixels));
      } else {
        launch(max_pool2d_backward<T, I>, elementwise_grid(dx.numel()), elementwise_block, 0, dy.device(),
               dy.data<T>(), argmax.data<std::int32_t>(), pool_geometry<I>(shape, window), pixels);
      }
    });
  });
}

}  // namespace gnn::kernels
