#include "gnn/kernels/im2col.h"

#include <algorithm>

#include "gnn/core/check.h"
#include "gnn/kernels/im2col_math.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {
namespace {

// Element j of line ((n, c, r, s), i) of the columns.
template <class T>
T im2col_element(const Im2colSizes& z, const T* x, std::int64_t line, std::int64_t j) {
  const std::int64_t i = line % z.oh;
  const std::int64_t row = line / z.oh;
  const std::int64_t s = row % z.kernel_w;
  const std::int64_t r = row / z.kernel_w % z.kernel_h;
  const std::int64_t plane = row / (z.kernel_w * z.kernel_h);
  const std::int64_t y = i * z.stride_h - z.padding_h + r * z.dilation_h;
  const std::int64_t column = j * z.stride_w - z.padding_w + s * z.dilation_w;
  const bool inside = y >= 0 && y < z.h && column >= 0 && column < z.w;
  return inside ? x[(plane * z.h + y) * z.w + column] : T{0};
}

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
    parallel_for(lines, elementwise_grain / z.ow + 1, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t line = begin; line < end; ++line) {
        for (std::int64_t j = 0; j < z.ow; ++j) out[line * z.ow + j] = im2col_element(z, in, line, j);
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
    const std::int64_t work = z.kernel_h * z.kernel_w;
    parallel_for(x.numel(), elementwise_grain / work + 1, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = col2im_element(z, in, i);
    });
  });
}

}  // namespace gnn::kernels
