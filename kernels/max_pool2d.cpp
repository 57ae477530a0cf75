#include "gnn/kernels/max_pool2d.h"

#include <limits>

#include "gnn/core/check.h"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

PoolShape max_pool2d_shape(const char* kernel, const Tensor& x, const Tensor& y, const Tensor& argmax,
                           const PoolWindow& window) {
  const PoolShape shape = pool_shape(kernel, x, y, window);
  if (argmax.defined()) {
    check<ShapeError>(argmax.shape() == y.shape(), "{}: expected argmax {}, got {}", kernel, y.shape(),
                      argmax.shape());
  }
  check<ShapeError>(shape.in.h == 0 || shape.in.w <= std::numeric_limits<std::int32_t>::max() / shape.in.h,
                    "{}: expected planes of fewer than 2^31 pixels, got {} x {}", kernel, shape.in.h,
                    shape.in.w);
  return shape;
}

namespace {

/// One output row of 2x2 windows with stride 2 from its two input rows.
template <class T, bool Index>
inline void pair_row(const T* top, const T* bottom, std::int32_t top_index, std::int32_t bottom_index,
                     std::int64_t outputs, T* y, std::int32_t* argmax) {
  for (std::int64_t ow = 0; ow < outputs; ++ow) {
    const auto column = static_cast<std::int32_t>(2 * ow);
    T best = top[2 * ow];
    std::int32_t at = top_index + column;
    offer_pixel(top[2 * ow + 1], top_index + column + 1, best, at);
    offer_pixel(bottom[2 * ow], bottom_index + column, best, at);
    offer_pixel(bottom[2 * ow + 1], bottom_index + column + 1, best, at);
    y[ow] = best;
    if constexpr (Index) argmax[ow] = at;
  }
}

/// Offers one tap of every window of an output row: `x` is the tap's pixel for the first of `count` windows.
/// Stride 0 stands for a stride known at run time only.
template <class T, bool Index, std::int64_t Stride>
inline void offer_tap(const T* x, std::int64_t runtime_stride, std::int32_t first_index, std::int64_t count,
                      T* y, std::int32_t* argmax) {
  const std::int64_t stride = Stride == 0 ? runtime_stride : Stride;
  for (std::int64_t i = 0; i < count; ++i) {
    T best = y[i];
    std::int32_t at = Index ? argmax[i] : 0;
    offer_pixel(x[i * stride], first_index + static_cast<std::int32_t>(i * stride), best, at);
    y[i] = best;
    if constexpr (Index) argmax[i] = at;
  }
}

/// First position of a window along one dimension that is inside the input, or -1.
inline std::int64_t first_inside(std::int64_t output, std::int64_t size, std::int64_t stride,
                                 std::int64_t padding, std::int64_t dilation, std::int64_t input) {
  const std::int64_t start = output * stride - padding;
  const std::int64_t skipped = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t at = start + skipped * dilation;
  return skipped < size && at < input ? at : -1;
}

/// One output row of any pooling: taps in row-major order, each offered to all windows of the row at once.
template <class T, bool Index>
inline void any_row(const T* x, const PoolShape& shape, const PoolWindow& window, std::int64_t oh, T* y,
                    std::int32_t* argmax) {
  for (std::int64_t ow = 0; ow < shape.out.w; ++ow) {
    y[ow] = -std::numeric_limits<T>::infinity();
    if constexpr (Index) argmax[ow] = -1;
  }
  for (std::int64_t i = 0; i < window.size.h; ++i) {
    const std::int64_t h = oh * window.stride.h - window.padding.h + i * window.dilation.h;
    if (h < 0 || h >= shape.in.h) continue;
    for (std::int64_t j = 0; j < window.size.w; ++j) {
      const std::int64_t offset = j * window.dilation.w - window.padding.w;
      const TapRange range = tap_range(offset, window.stride.w, shape.in.w, shape.out.w);
      if (range.begin >= range.end) continue;
      const std::int64_t pixel = h * shape.in.w + range.begin * window.stride.w + offset;
      const auto index = static_cast<std::int32_t>(pixel);
      const std::int64_t count = range.end - range.begin;
      T* best = y + range.begin;
      std::int32_t* at = Index ? argmax + range.begin : nullptr;
      if (window.stride.w == 1) {
        offer_tap<T, Index, 1>(x + pixel, 1, index, count, best, at);
      } else if (window.stride.w == 2) {
        offer_tap<T, Index, 2>(x + pixel, 2, index, count, best, at);
      } else {
        offer_tap<T, Index, 0>(x + pixel, window.stride.w, index, count, best, at);
      }
    }
  }
  if constexpr (Index) {
    // Nothing is larger than -infinity: where that is the maximum, it is the first pixel's.
    const std::int64_t h =
        first_inside(oh, window.size.h, window.stride.h, window.padding.h, window.dilation.h, shape.in.h);
    for (std::int64_t ow = 0; ow < shape.out.w; ++ow) {
      if (argmax[ow] >= 0 || h < 0) continue;
      const std::int64_t w =
          first_inside(ow, window.size.w, window.stride.w, window.padding.w, window.dilation.w, shape.in.w);
      if (w >= 0) argmax[ow] = static_cast<std::int32_t>(h * shape.in.w + w);
    }
  }
}

template <class T, bool Index>
void forward(const T* x, const PoolShape& shape, const PoolWindow& window, T* y, std::int32_t* argmax) {
  const std::int64_t taps = window.size.h * window.size.w;
  const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(taps * shape.out.w, 1);
  const std::int64_t plane = shape.in.h * shape.in.w;
  const bool pair = is_pair_window(window);
  const std::int64_t count = shape.planes * shape.out.h;
  parallel_for<elementwise_isa<T>>(count, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t oh = row % shape.out.h;
      const T* image = x + row / shape.out.h * plane;
      T* y_row = y + row * shape.out.w;
      std::int32_t* argmax_row = Index ? argmax + row * shape.out.w : nullptr;
      if (pair) {
        const std::int64_t top = 2 * oh * shape.in.w;
        // With ceil_mode the last row or column of windows may hang over the edge.
        const bool whole = 2 * oh + 1 < shape.in.h && 2 * shape.out.w <= shape.in.w;
        if (whole) {
          pair_row<T, Index>(image + top, image + top + shape.in.w, static_cast<std::int32_t>(top),
                             static_cast<std::int32_t>(top + shape.in.w), shape.out.w, y_row, argmax_row);
          continue;
        }
      }
      any_row<T, Index>(image, shape, window, oh, y_row, argmax_row);
    }
  });
}

/// The gradient of 2x2 windows with stride 2: each window owns its four pixels, so rows are written in one
/// pass.
template <class T>
void backward_pairs(const T* dy, const std::int32_t* argmax, const PoolShape& shape, T* dx) {
  const std::int64_t plane = shape.in.h * shape.in.w;
  const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(plane, 1);
  parallel_for<elementwise_isa<T>>(shape.planes, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      for (std::int64_t oh = 0; oh < shape.out.h; ++oh) {
        const T* grad = dy + (p * shape.out.h + oh) * shape.out.w;
        const std::int32_t* at = argmax + (p * shape.out.h + oh) * shape.out.w;
        const std::int64_t first = 2 * oh * shape.in.w;
        T* top = dx + p * plane + first;
        T* bottom = top + shape.in.w;
        const auto index = static_cast<std::int32_t>(first);
        const auto width = static_cast<std::int32_t>(shape.in.w);
        for (std::int64_t ow = 0; ow < shape.out.w; ++ow) {
          const std::int32_t from = at[ow] - index - static_cast<std::int32_t>(2 * ow);
          top[2 * ow] = from == 0 ? grad[ow] : T(0);
          top[2 * ow + 1] = from == 1 ? grad[ow] : T(0);
          bottom[2 * ow] = from == width ? grad[ow] : T(0);
          bottom[2 * ow + 1] = from == width + 1 ? grad[ow] : T(0);
        }
        // Pixels right of the last window.
        for (std::int64_t w = 2 * shape.out.w; w < shape.in.w; ++w) top[w] = bottom[w] = T(0);
      }
      // Rows below the last window.
      std::fill(dx + p * plane + 2 * shape.out.h * shape.in.w, dx + (p + 1) * plane, T(0));
    }
  });
}

template <class T>
void backward_any(const T* dy, const std::int32_t* argmax, const PoolShape& shape, T* dx) {
  const std::int64_t plane = shape.in.h * shape.in.w;
  const std::int64_t outputs = shape.out.h * shape.out.w;
  const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(plane + outputs, 1);
  parallel_for<elementwise_isa<T>>(shape.planes, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      T* image = dx + p * plane;
      std::fill(image, image + plane, T(0));
      for (std::int64_t i = p * outputs; i < (p + 1) * outputs; ++i) {
        if (argmax[i] >= 0) image[argmax[i]] += dy[i];
      }
    }
  });
}

}  // namespace

void MaxPool2dForward::cpu(const Tensor& x, const PoolWindow& window, Tensor& y, Tensor& argmax) {
  const PoolShape shape = max_pool2d_shape(name, x, y, argmax, window);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if (argmax.defined()) {
      forward<T, true>(x.data<T>(), shape, window, y.mutable_data<T>(), argmax.mutable_data<std::int32_t>());
    } else {
      forward<T, false>(x.data<T>(), shape, window, y.mutable_data<T>(), nullptr);
    }
  });
}

void MaxPool2dBackward::cpu(const Tensor& dy, const Tensor& argmax, const PoolWindow& window, Tensor& dx) {
  const PoolShape shape = max_pool2d_shape(name, dx, dy, argmax, window);
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const bool whole = 2 * shape.out.h <= shape.in.h && 2 * shape.out.w <= shape.in.w;
    if (is_pair_window(window) && whole) {
      backward_pairs(dy.data<T>(), argmax.data<std::int32_t>(), shape, dx.mutable_data<T>());
    } else {
      backward_any(dy.data<T>(), argmax.data<std::int32_t>(), shape, dx.mutable_data<T>());
    }
  });
}

}  // namespace gnn::kernels
