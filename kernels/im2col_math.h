#pragma once

// What one thread of im2col and col2im computes, for both back ends. Not installed.

#include "gnn/core/export.h"
#include "gnn/kernels/im2col.h"

namespace gnn::kernels {

/// Element j of line ((n, c, r, s), i) of the columns.
template <class T>
GNN_HD inline T im2col_element(const Im2colSizes& z, const T* x, std::int64_t line, std::int64_t j) {
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

/// The sum for element `index` of x.
template <class T>
GNN_HD inline T col2im_element(const Im2colSizes& z, const T* columns, std::int64_t index) {
  const std::int64_t column = index % z.w + z.padding_w;
  const std::int64_t y = index / z.w % z.h + z.padding_h;
  const std::int64_t plane = index / (z.w * z.h);
  T sum = 0;
  for (std::int64_t r = 0; r < z.kernel_h; ++r) {
    const std::int64_t from_top = y - r * z.dilation_h;  // stride_h times the output row
    const std::int64_t i = from_top / z.stride_h;
    if (from_top < 0 || i * z.stride_h != from_top || i >= z.oh) continue;
    for (std::int64_t s = 0; s < z.kernel_w; ++s) {
      const std::int64_t from_left = column - s * z.dilation_w;
      const std::int64_t j = from_left / z.stride_w;
      if (from_left < 0 || j * z.stride_w != from_left || j >= z.ow) continue;
      sum += columns[(((plane * z.kernel_h + r) * z.kernel_w + s) * z.oh + i) * z.ow + j];
    }
  }
  return sum;
}

}  // namespace gnn::kernels
