#pragma once

// What one thread of col2im computes, for both back ends. Not installed.

#include "gnn/core/export.h"
#include "gnn/kernels/im2col.h"

namespace gnn::kernels {

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
