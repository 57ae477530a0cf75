#pragma once

#include <algorithm>
#include <cstdint>

#include "gnn/core/export.h"
#include "gnn/core/tensor.h"
#include "gnn/kernels/dims.h"

namespace gnn::kernels {

/// The windows of a 2-D pooling: output (oh, ow) covers the input pixels
/// (oh * stride.h - padding.h + i * dilation.h, ow * stride.w - padding.w + j * dilation.w) for i < size.h, j
/// < size.w.
struct PoolWindow {
  Size2 size;
  Size2 stride;
  Size2 padding = 0;
  Size2 dilation = 1;
};

/// What pooling kernels compute with: `planes` images of `in` pixels each become planes of `out` pixels. The
/// images are the last two dimensions of the tensors, all the others together are the planes.
struct PoolShape {
  std::int64_t planes;
  Size2 in;
  Size2 out;
};

/// Reads the shape off the two tensors. Throws ShapeError naming `kernel` when they have fewer than two
/// dimensions or not the same planes, ValueError for a window that has no size, stride or dilation or
/// negative padding.
GNN_API PoolShape pool_shape(const char* kernel, const Tensor& input, const Tensor& output,
                             const PoolWindow& window);

/// True for the commonest pooling, 2x2 windows with stride 2, which has code of its own.
inline bool is_pair_window(const PoolWindow& window) {
  return window.size == Size2(2) && window.stride == Size2(2) && window.padding == Size2(0) &&
         window.dilation == Size2(1);
}

/// Output size along one dimension, PyTorch's rule: windows that lie inside the padded input, or with
/// `ceil_mode` that start inside the input or its left padding. Less than 1 when the window does not fit.
GNN_API std::int64_t pool_output_size(std::int64_t input, std::int64_t size, std::int64_t stride,
                                      std::int64_t padding, std::int64_t dilation, bool ceil_mode);

/// First output whose window can reach input position `at`, and one past the last.
template <class I>
GNN_HD I first_window(I at, I size, I stride, I padding, I dilation) {
  const I lowest = at + padding - (size - 1) * dilation;
  return lowest <= 0 ? 0 : (lowest + stride - 1) / stride;
}
template <class I>
GNN_HD I end_window(I at, I stride, I padding, I outputs) {
  const I end = (at + padding) / stride + 1;
  return end < outputs ? end : outputs;
}

/// The outputs [begin, end) along a row for which tap `offset` = j * dilation - padding falls inside `input`
/// pixels.
struct TapRange {
  std::int64_t begin;
  std::int64_t end;
};
inline TapRange tap_range(std::int64_t offset, std::int64_t stride, std::int64_t input,
                          std::int64_t outputs) {
  const std::int64_t begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const std::int64_t end = input - offset <= 0 ? 0 : (input - offset - 1) / stride + 1;
  return {std::min(begin, outputs), std::clamp(end, std::min(begin, outputs), outputs)};
}

}  // namespace gnn::kernels
