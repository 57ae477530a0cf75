#include "gnn/kernels/broadcast.h"

#include <algorithm>

namespace gnn::kernels {

namespace {

using Strides = std::array<std::int64_t, Shape::max_dims>;

/// Element strides of `shape` along the axes of `result`, aligned at the last axis; 0 where it repeats.
Strides strides_within(const Shape& shape, const Shape& result) {
  Strides strides{};
  const std::size_t missing = result.dim() - shape.dim();
  std::int64_t step = 1;
  for (std::size_t axis = shape.dim(); axis-- > 0;) {
    strides[missing + axis] = shape[axis] == 1 ? 0 : step;
    step *= shape[axis];
  }
  return strides;
}

}  // namespace

BroadcastLayout broadcast_layout(const Shape& a, const Shape& b, const Shape& result) {
  const Strides stride_a = strides_within(a, result);
  const Strides stride_b = strides_within(b, result);
  BroadcastLayout layout;
  layout.dims = 0;
  // From the innermost axis outwards, merging into the one before; reversed at the end.
  for (std::size_t axis = result.dim(); axis-- > 0;) {
    const std::int64_t size = result[axis];
    if (size == 1) continue;
    if (layout.dims > 0) {
      const auto last = static_cast<std::size_t>(layout.dims - 1);
      if (stride_a[axis] == layout.a[last] * layout.sizes[last] &&
          stride_b[axis] == layout.b[last] * layout.sizes[last]) {
        layout.sizes[last] *= size;
        continue;
      }
    }
    const auto next = static_cast<std::size_t>(layout.dims++);
    layout.sizes[next] = size;
    layout.a[next] = stride_a[axis];
    layout.b[next] = stride_b[axis];
  }
  if (layout.dims == 0) {
    layout.dims = 1;
    layout.sizes[0] = 1;
    return layout;
  }
  std::reverse(layout.sizes.begin(), layout.sizes.begin() + layout.dims);
  std::reverse(layout.a.begin(), layout.a.begin() + layout.dims);
  std::reverse(layout.b.begin(), layout.b.begin() + layout.dims);
  return layout;
}

SumLayout sum_layout(const Shape& x, const Shape& y) {
  const BroadcastLayout both = broadcast_layout(y, x, x);
  SumLayout layout;
  for (std::size_t d = 0; d < static_cast<std::size_t>(both.dims); ++d) {
    Strided& part = both.a[d] == 0 ? layout.summed : layout.kept;
    const auto next = static_cast<std::size_t>(part.dims++);
    part.sizes[next] = both.sizes[d];
    part.strides[next] = both.b[d];
    layout.inner_summed = both.a[d] == 0;
  }
  return layout;
}

}  // namespace gnn::kernels
