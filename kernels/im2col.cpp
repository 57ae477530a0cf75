#include "gnn/kernels/im2col.h"

#include <algorithm>

#include "gnn/core/check.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {
namespace {

/// A row of the columns, (n, c, r, s) and i, and the row of the image that it is taken from.
struct Line {
  std::int64_t plane, r, s, i;

  /// The row of the image; outside it for padding.
  std::int64_t image_row(const Im2colSizes& z) const {
    return i * z.stride_h - z.padding_h + r * z.dilation_h;
  }
  /// The column of the image for the first column.
  std::int64_t offset(const Im2colSizes& z) const { return s * z.dilation_w - z.padding_w; }
};

}  // namespace

Im2colSizes im2col_sizes(const char* op, const Tensor& x, const Tensor& columns,
                         const Im2colParameters& parameters) {
  const auto& [kernel, stride, padding, dilation] = parameters;
  check<ShapeError>(
      x.dim() == 4 && kernel.h > 0 && kernel.w > 0 && stride.h > 0 && stride.w > 0 && padding.h >= 0 &&
          padding.w >= 0 && dilation.h > 0 && dilation.w > 0,
      "{}: expected an image batch [N, C, H, W] and positive sizes, got {}, kernel {}, stride {}, "
      "padding {}, dilation {}",
      op, x.shape(), kernel.to_string(), stride.to_string(), padding.to_string(), dilation.to_string());
  const std::int64_t oh = window_positions(x.size(2), kernel.h, stride.h, padding.h, dilation.h);
  const std::int64_t ow = window_positions(x.size(3), kernel.w, stride.w, padding.w, dilation.w);
  const Shape expected{x.size(0), x.size(1) * kernel.area(), oh * ow};
  check<ShapeError>(columns.shape() == expected, "{}: expected columns {}, got {}", op, expected,
                    columns.shape());
  check<DTypeError>(columns.dtype() == x.dtype(), "{}: expected one dtype, got {} and {}", op,
                    name_of(x.dtype()), name_of(columns.dtype()));
  return {x.size(0), x.size(1), x.size(2), x.size(3), oh,        ow,         kernel.h,
          kernel.w,  stride.h,  stride.w,  padding.h, padding.w, dilation.h, dilation.w};
}

void Im2col::cpu(const Tensor& x, Tensor& columns, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  if (columns.numel() == 0) return;
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = x.data<T>();
    T* out = columns.mutable_data<T>();
    const std::int64_t lines = columns.numel() / z.ow;
    parallel_for<elementwise_isa<T>>(
        lines, elementwise_grain / z.ow + 1, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t l = begin; l < end; ++l) {
            const std::int64_t row = l / z.oh;
            const Line line{row / (z.kernel_w * z.kernel_h), row / z.kernel_w % z.kernel_h, row % z.kernel_w,
                            l % z.oh};
            T* to = out + l * z.ow;
            const std::int64_t y = line.image_row(z);
            if (y < 0 || y >= z.h) {
              std::fill_n(to, z.ow, T{0});
              continue;
            }
            const TapRange inside = tap_range(line.offset(z), z.stride_w, z.w, z.ow);
            const T* from = in + (line.plane * z.h + y) * z.w + line.offset(z);
            std::fill(to, to + inside.begin, T{0});
            if (z.stride_w == 1) {
              std::copy(from + inside.begin, from + inside.end, to + inside.begin);
            } else {
              for (std::int64_t j = inside.begin; j < inside.end; ++j) to[j] = from[j * z.stride_w];
            }
            std::fill(to + inside.end, to + z.ow, T{0});
          }
        });
  });
}

void Col2im::cpu(const Tensor& columns, Tensor& x, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  if (x.numel() == 0) return;
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = columns.data<T>();
    T* out = x.mutable_data<T>();
    // A plane at a time is scattered in order of (r, s): each pixel's sum is the one that is gathered.
    const std::int64_t work = z.h * z.w + z.kernel_h * z.kernel_w * z.oh * z.ow;
    parallel_for<elementwise_isa<T>>(
        z.n * z.c, elementwise_grain / work + 1, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t plane = begin; plane < end; ++plane) {
            T* image = out + plane * z.h * z.w;
            std::fill_n(image, z.h * z.w, T{0});
            const T* from = in + plane * z.kernel_h * z.kernel_w * z.oh * z.ow;
            for (std::int64_t tap = 0; tap < z.kernel_h * z.kernel_w; ++tap) {
              for (std::int64_t i = 0; i < z.oh; ++i, from += z.ow) {
                const Line line{plane, tap / z.kernel_w, tap % z.kernel_w, i};
                const std::int64_t y = line.image_row(z);
                if (y < 0 || y >= z.h) continue;
                const TapRange inside = tap_range(line.offset(z), z.stride_w, z.w, z.ow);
                T* to = image + y * z.w + line.offset(z);
                if (z.stride_w == 1) {
                  for (std::int64_t j = inside.begin; j < inside.end; ++j) to[j] += from[j];
                } else {
                  for (std::int64_t j = inside.begin; j < inside.end; ++j) to[j * z.stride_w] += from[j];
                }
              }
            }
          }
        });
  });
}

}  // namespace gnn::kernels
