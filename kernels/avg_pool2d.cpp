#include "gnn/kernels/avg_pool2d.h"

#include "gnn/kernels/avg_pool2d_math.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {
namespace {

constexpr std::int64_t chunk = 64;  // outputs of a row that are summed side by side
constexpr std::int64_t wide = 16;   // windows of this width and more are summed one by one, along the row,
constexpr std::int64_t few = 4;     // and where a row has no more of them
constexpr std::int64_t run_lanes = 16;  // partial sums along a row

/// What an output's sum is divided by.
template <class T>
inline T divisor(const AveragePool& pool, const PoolShape& shape, const WindowSpan<std::int64_t>& rows,
                 std::int64_t ow) {
  if (pool.divisor_override != 0) return static_cast<T>(pool.divisor_override);
  const PoolWindow& w = pool.window;
  const auto columns = window_span(ow, w.size.w, w.stride.w, w.padding.w, shape.in.w);
  return static_cast<T>(rows.count(pool.count_include_pad) * columns.count(pool.count_include_pad));
}

template <class T>
inline T sum_run(const T* x, std::int64_t count) {
  T lanes[run_lanes] = {};
  std::int64_t i = 0;
  for (; i + run_lanes <= count; i += run_lanes) {
    for (std::int64_t lane = 0; lane < run_lanes; ++lane) lanes[lane] += x[i + lane];
  }
  T sum = 0;
  for (; i < count; ++i) sum += x[i];
  for (std::int64_t width = run_lanes / 2; width > 0; width /= 2) {
    for (std::int64_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return sum + lanes[0];
}

/// One output row, each window by itself.
template <class T>
inline void wide_row(const T* image, const AveragePool& pool, const PoolShape& shape,
                     const WindowSpan<std::int64_t>& rows, T* y) {
  const PoolWindow& w = pool.window;
  for (std::int64_t ow = 0; ow < shape.out.w; ++ow) {
    const auto columns = window_span(ow, w.size.w, w.stride.w, w.padding.w, shape.in.w);
    T sum = 0;
    if (columns.begin == 0 && columns.end == shape.in.w) {  // whole rows, as in global pooling
      sum = sum_run(image + rows.begin * shape.in.w, (rows.end - rows.begin) * shape.in.w);
    } else {
      for (std::int64_t h = rows.begin; h < rows.end; ++h) {
        sum += sum_run(image + h * shape.in.w + columns.begin, columns.end - columns.begin);
      }
    }
    y[ow] = sum / divisor<T>(pool, shape, rows, ow);
  }
}

/// part[i] += x[i * stride], with stride 0 for one known at run time only.
template <class T, std::int64_t Stride>
inline void add_tap(const T* x, std::int64_t runtime_stride, std::int64_t count, T* part) {
  const std::int64_t stride = Stride == 0 ? runtime_stride : Stride;
  for (std::int64_t i = 0; i < count; ++i) part[i] += x[i * stride];
}

/// One output row, a chunk of windows side by side: taps are added to all of them at once.
template <class T>
inline void narrow_row(const T* image, const AveragePool& pool, const PoolShape& shape,
                       const WindowSpan<std::int64_t>& rows, T* y) {
  const PoolWindow& w = pool.window;
  for (std::int64_t first = 0; first < shape.out.w; first += chunk) {
    const std::int64_t last = std::min(first + chunk, shape.out.w);
    T total[chunk] = {};
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      T part[chunk] = {};
      for (std::int64_t j = 0; j < w.size.w; ++j) {
        const std::int64_t offset = j - w.padding.w;
        const TapRange range = tap_range(offset, w.stride.w, shape.in.w, shape.out.w);
        const std::int64_t begin = std::max(range.begin, first);
        const std::int64_t count = std::min(range.end, last) - begin;
        if (count <= 0) continue;
        const T* x = image + h * shape.in.w + begin * w.stride.w + offset;
        if (w.stride.w == 1) {
          add_tap<T, 1>(x, 1, count, part + (begin - first));
        } else if (w.stride.w == 2) {
          add_tap<T, 2>(x, 2, count, part + (begin - first));
        } else {
          add_tap<T, 0>(x, w.stride.w, count, part + (begin - first));
        }
      }
      for (std::int64_t i = 0; i < chunk; ++i) total[i] += part[i];
    }
    for (std::int64_t ow = first; ow < last; ++ow)
      y[ow] = total[ow - first] / divisor<T>(pool, shape, rows, ow);
  }
}

template <class T>
void forward(const T* x, const AveragePool& pool, const PoolShape& shape, T* y) {
  const PoolWindow& w = pool.window;
  const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(w.size.area() * shape.out.w, 1);
  const bool pairs = is_pair_window(w) && 2 * shape.out.h <= shape.in.h && 2 * shape.out.w <= shape.in.w;
  const T quarter = T(1) / static_cast<T>(pool.divisor_override != 0 ? pool.divisor_override : 4);
  const std::int64_t count = shape.planes * shape.out.h;
  parallel_for<elementwise_isa<T>>(count, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t oh = row % shape.out.h;
      const T* image = x + row / shape.out.h * shape.in.h * shape.in.w;
      T* out = y + row * shape.out.w;
      if (pairs) {
        const T* top = image + 2 * oh * shape.in.w;
        const T* bottom = top + shape.in.w;
        for (std::int64_t ow = 0; ow < shape.out.w; ++ow) {
          out[ow] = ((top[2 * ow] + top[2 * ow + 1]) + (bottom[2 * ow] + bottom[2 * ow + 1])) * quarter;
        }
        continue;
      }
      const auto rows = window_span(oh, w.size.h, w.stride.h, w.padding.h, shape.in.h);
      if (w.size.w >= wide || shape.out.w <= few) {
        wide_row(image, pool, shape, rows, out);
      } else {
        narrow_row(image, pool, shape, rows, out);
      }
    }
  });
}

/// Adds the gradient of one output row to its windows' pixels. The taps go from the last to the first, so
/// that a pixel receives from its windows in order.
template <class T>
inline void backward_row(const T* dy, const AveragePool& pool, const PoolShape& shape,
                         const WindowSpan<std::int64_t>& rows, T* image) {
  const PoolWindow& w = pool.window;
  for (std::int64_t first = 0; first < shape.out.w; first += chunk) {
    const std::int64_t last = std::min(first + chunk, shape.out.w);
    T share[chunk];
    for (std::int64_t ow = first; ow < last; ++ow)
      share[ow - first] = dy[ow] / divisor<T>(pool, shape, rows, ow);
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t j = w.size.w - 1; j >= 0; --j) {
        const std::int64_t offset = j - w.padding.w;
        const TapRange range = tap_range(offset, w.stride.w, shape.in.w, shape.out.w);
        const std::int64_t begin = std::max(range.begin, first);
        const std::int64_t end = std::min(range.end, last);
        T* pixels = image + h * shape.in.w + offset;
        for (std::int64_t ow = begin; ow < end; ++ow) pixels[ow * w.stride.w] += share[ow - first];
      }
    }
  }
}

template <class T>
void backward(const T* dy, const AveragePool& pool, const PoolShape& shape, T* dx) {
  const PoolWindow& w = pool.window;
  const std::int64_t plane = shape.in.h * shape.in.w;
  const std::int64_t work = plane + w.size.area() * shape.out.area();
  const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(work, 1);
  const bool pairs = is_pair_window(w) && shape.in.h == 2 * shape.out.h && shape.in.w == 2 * shape.out.w;
  const T quarter = T(1) / static_cast<T>(pool.divisor_override != 0 ? pool.divisor_override : 4);
  parallel_for<elementwise_isa<T>>(shape.planes, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      T* image = dx + p * plane;
      if (!pairs) std::fill(image, image + plane, T(0));
      for (std::int64_t oh = 0; oh < shape.out.h; ++oh) {
        const T* grad = dy + (p * shape.out.h + oh) * shape.out.w;
        if (pairs) {
          T* top = image + 2 * oh * shape.in.w;
          T* bottom = top + shape.in.w;
          for (std::int64_t ow = 0; ow < shape.out.w; ++ow) {
            top[2 * ow] = top[2 * ow + 1] = bottom[2 * ow] = bottom[2 * ow + 1] = grad[ow] * quarter;
          }
        } else {
          backward_row(grad, pool, shape, window_span(oh, w.size.h, w.stride.h, w.padding.h, shape.in.h),
                       image);
        }
      }
    }
  });
}

}  // namespace

void AvgPool2dForward::cpu(const Tensor& x, const AveragePool& pool, Tensor& y) {
  const PoolShape shape = pool_shape(name, x, y, pool.window);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    forward(x.data<T>(), pool, shape, y.mutable_data<T>());
  });
}

void AvgPool2dBackward::cpu(const Tensor& dy, const AveragePool& pool, Tensor& dx) {
  const PoolShape shape = pool_shape(name, dx, dy, pool.window);
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    backward(dy.data<T>(), pool, shape, dx.mutable_data<T>());
  });
}

}  // namespace gnn::kernels
