#include <cstdint>

#include "gnn/kernels/avg_pool2d.h"
#include "gnn/kernels/avg_pool2d_math.h"
#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/pool_window.cuh"

namespace gnn::kernels {
namespace {

/// How many positions count: the divisor of a window.
template <class T, class I>
struct Divisor {
  bool include_padding;
  T override_with;  // 0: count
  __device__ T operator()(const WindowSpan<I>& rows, const WindowSpan<I>& columns) const {
    if (override_with != T(0)) return override_with;
    return static_cast<T>(rows.count(include_padding) * columns.count(include_padding));
  }
};

/// One thread per output.
template <class T, class I>
__global__ void avg_pool2d_forward(const T* __restrict__ x, PoolGeometry<I> g, Divisor<T, I> divisor,
                                   T* __restrict__ y) {
  const I outputs = g.planes * g.out_h * g.out_w;
  for (std::int64_t o = global_thread(); o < outputs; o += grid_threads()) {
    const I out = static_cast<I>(o);
    const auto columns = window_span<I>(out % g.out_w, g.size_w, g.stride_w, g.padding_w, g.in_w);
    const auto rows = window_span<I>(out / g.out_w % g.out_h, g.size_h, g.stride_h, g.padding_h, g.in_h);
    const T* image = x + static_cast<std::int64_t>(out / g.out_w / g.out_h) * g.in_h * g.in_w;
    T total = 0;
    for (I h = rows.begin; h < rows.end; ++h) {
      T part = 0;
      for (I w = columns.begin; w < columns.end; ++w) part += image[h * g.in_w + w];
      total += part;
    }
    y[o] = total / divisor(rows, columns);
  }
}

/// One thread per pixel: it gathers from the windows that cover it.
template <class T, class I>
__global__ void avg_pool2d_backward(const T* __restrict__ dy, PoolGeometry<I> g, Divisor<T, I> divisor,
                                    T* __restrict__ dx) {
  const I pixels = g.planes * g.in_h * g.in_w;
  for (std::int64_t p = global_thread(); p < pixels; p += grid_threads()) {
    const I pixel = static_cast<I>(p);
    const I w = pixel % g.in_w;
    const I h = pixel / g.in_w % g.in_h;
    const T* grad = dy + static_cast<std::int64_t>(pixel / g.in_w / g.in_h) * g.out_h * g.out_w;
    const I end_h = end_window<I>(h, g.stride_h, g.padding_h, g.out_h);
    const I end_w = end_window<I>(w, g.stride_w, g.padding_w, g.out_w);
    T sum = 0;
    for (I oh = first_window<I>(h, g.size_h, g.stride_h, g.padding_h, 1); oh < end_h; ++oh) {
      const auto rows = window_span<I>(oh, g.size_h, g.stride_h, g.padding_h, g.in_h);
      for (I ow = first_window<I>(w, g.size_w, g.stride_w, g.padding_w, 1); ow < end_w; ++ow) {
        const auto columns = window_span<I>(ow, g.size_w, g.stride_w, g.padding_w, g.in_w);
        sum += grad[oh * g.out_w + ow] / divisor(rows, columns);
      }
    }
    dx[p] = sum;
  }
}

/// 2x2 windows with stride 2 that cover every pixel once: two pixels per access.
template <class T, class I>
__global__ void avg_pool2d_pairs_forward(const PixelPair<T>* __restrict__ x, PoolGeometry<I> g, T quarter,
                                         T* __restrict__ y) {
  const I outputs = g.planes * g.out_h * g.out_w;
  for (std::int64_t o = global_thread(); o < outputs; o += grid_threads()) {
    const I column = static_cast<I>(o) % g.out_w;
    const std::int64_t top = static_cast<std::int64_t>(static_cast<I>(o) / g.out_w) * 2 * g.out_w + column;
    const PixelPair<T> above = x[top];
    const PixelPair<T> below = x[top + g.out_w];
    y[o] = ((above.a + above.b) + (below.a + below.b)) * quarter;
  }
}

template <class T, class I>
__global__ void avg_pool2d_pairs_backward(const T* __restrict__ dy, PoolGeometry<I> g, T quarter,
                                          PixelPair<T>* __restrict__ dx) {
  const I outputs = g.planes * g.out_h * g.out_w;
  for (std::int64_t o = global_thread(); o < outputs; o += grid_threads()) {
    const I column = static_cast<I>(o) % g.out_w;
    const std::int64_t top = static_cast<std::int64_t>(static_cast<I>(o) / g.out_w) * 2 * g.out_w + column;
    const T share = dy[o] * quarter;
    dx[top] = {share, share};
    dx[top + g.out_w] = {share, share};
  }
}

template <class T>
T pair_factor(const AveragePool& pool) {
  return T(1) / static_cast<T>(pool.divisor_override != 0 ? pool.divisor_override : 4);
}

}  // namespace

void AvgPool2dForward::cuda(const Tensor& x, const AveragePool& pool, Tensor& y) {
  const PoolShape shape = pool_shape(name, x, y, pool.window);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    with_pool_index(shape, pool.window, [&](auto index) {
      using I = decltype(index);
      const T* pixels = x.data<T>();
      const unsigned grid = elementwise_grid(y.numel());
      const PoolGeometry<I> geometry = pool_geometry<I>(shape, pool.window);
      if (takes_pixel_pairs(shape, pool.window, pixels, sizeof(T))) {
        launch(avg_pool2d_pairs_forward<T, I>, grid, elementwise_block, 0, x.device(),
               reinterpret_cast<const PixelPair<T>*>(pixels), geometry, pair_factor<T>(pool),
               y.mutable_data<T>());
      } else {
        launch(avg_pool2d_forward<T, I>, grid, elementwise_block, 0, x.device(), pixels, geometry,
               Divisor<T, I>{pool.count_include_pad, static_cast<T>(pool.divisor_override)},
               y.mutable_data<T>());
      }
    });
  });
}

void AvgPool2dBackward::cuda(const Tensor& dy, const AveragePool& pool, Tensor& dx) {
  const PoolShape shape = pool_shape(name, dx, dy, pool.window);
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    with_pool_index(shape, pool.window, [&](auto index) {
      using I = decltype(index);
      T* pixels = dx.mutable_data<T>();
      const PoolGeometry<I> geometry = pool_geometry<I>(shape, pool.window);
      if (takes_pixel_pairs(shape, pool.window, pixels, sizeof(T))) {
        launch(avg_pool2d_pairs_backward<T, I>, elementwise_grid(dy.numel()), elementwise_block, 0,
               dy.device(), dy.data<T>(), geometry, pair_factor<T>(pool),
               reinterpret_cast<PixelPair<T>*>(pixels));
      } else {
        launch(avg_pool2d_backward<T, I>, elementwise_grid(dx.numel()), elementwise_block, 0, dy.device(),
               dy.data<T>(), geometry,
               Divisor<T, I>{pool.count_include_pad, static_cast<T>(pool.divisor_override)}, pixels);
      }
    });
  });
}

}  // namespace gnn::kernels
