#pragma once

#include "gnn/core/export.h"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {

/// A window along one dimension: its pixels [begin, end), and how many positions count with and without
/// padding.
template <class I>
struct WindowSpan {
  I begin, end, padded;
  GNN_HD I count(bool include_padding) const { return include_padding ? padded : end - begin; }
};

template <class I>
GNN_HD WindowSpan<I> window_span(I output, I size, I stride, I padding, I input) {
  const I start = output * stride - padding;
  const I stop = start + size < input + padding ? start + size : input + padding;
  return {start > 0 ? start : 0, stop < input ? stop : input, stop - start};
}

}  // namespace gnn::kernels
