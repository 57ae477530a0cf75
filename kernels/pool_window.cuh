#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "gnn/kernels/device.cuh"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {

/// PoolShape and PoolWindow in the type that indices are computed in: 32-bit where everything fits, since
/// 64-bit division is slow on GPUs.
template <class I>
struct PoolGeometry {
  I planes, in_h, in_w, out_h, out_w;
  I size_h, size_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
};

template <class I>
PoolGeometry<I> pool_geometry(const PoolShape& s, const PoolWindow& w) {
  return {static_cast<I>(s.planes),    static_cast<I>(s.in.h),      static_cast<I>(s.in.w),
          static_cast<I>(s.out.h),     static_cast<I>(s.out.w),     static_cast<I>(w.size.h),
          static_cast<I>(w.size.w),    static_cast<I>(w.stride.h),  static_cast<I>(w.stride.w),
          static_cast<I>(w.padding.h), static_cast<I>(w.padding.w), static_cast<I>(w.dilation.h),
          static_cast<I>(w.dilation.w)};
}

/// True when every offset, and every position in the padded input, fits in 32 bits.
inline bool pool_fits_32_bits(const PoolShape& shape, const PoolWindow& window) {
  constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
  const auto fits = [](std::int64_t in, std::int64_t size, std::int64_t stride, std::int64_t padding,
                       std::int64_t dilation) {
    return in < limit / 8 && stride < limit / 8 && padding < limit / 8 && size <= limit / 8 / dilation;
  };
  return shape.planes * std::max(shape.in.h * shape.in.w, shape.out.h * shape.out.w) < limit &&
         fits(shape.in.h, window.size.h, window.stride.h, window.padding.h, window.dilation.h) &&
         fits(shape.in.w, window.size.w, window.stride.w, window.padding.w, window.dilation.w);
}

/// Calls f with a value of the type to compute indices in.
template <class F>
void with_pool_index(const PoolShape& shape, const PoolWindow& window, const F& f) {
  if (pool_fits_32_bits(shape, window)) {
    f(std::int32_t{0});
  } else {
    f(std::int64_t{0});
  }
}

/// Two neighbouring pixels: one load or store.
template <class T>
struct alignas(2 * sizeof(T)) PixelPair {
  T a, b;
};

/// True for 2x2 windows with stride 2 that cover every pixel once, where `pixels`, the address of the images,
/// can be accessed two pixels of `element` bytes at a time.
inline bool takes_pixel_pairs(const PoolShape& shape, const PoolWindow& window, const void* pixels,
                              std::size_t element) {
  return is_pair_window(window) && shape.in.h == 2 * shape.out.h && shape.in.w == 2 * shape.out.w &&
         reinterpret_cast<std::uintptr_t>(pixels) % (2 * element) == 0;
}

}  // namespace gnn::kernels
