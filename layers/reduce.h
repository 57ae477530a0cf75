#pragma once

#include <cstdint>
#include <optional>

#include "gnn/core/tensor.h"
#include "gnn/kernels/axes.h"

// Reductions of float32 and float64 tensors (sums: of integers, too) over axes: all of them by default, one
// (`sum(x, -1)`) or several
// (`mean(x, {0, 2, 3})`). With `keepdim` reduced axes stay with size 1. All throw IndexError for an axis out
// of range, ValueError for one named twice and DTypeError for other dtypes.

namespace gnn {

/// The sum; 0 where nothing is summed. Accumulated accurately, see kernels/reduce.h. Integers, too, have one,
/// an int64: it is exact as long as no partial sum is beyond 2^53. Not differentiable for them.
GNN_API Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false);

/// The arithmetic mean; NaN where there is nothing.
GNN_API Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false);

/// The largest value; NaN where there is one. Of equal values the first in row-major order gets the gradient
/// (PyTorch's max over one axis; its amax shares it). Throws ShapeError where there is no value.
GNN_API Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdim = false);

/// The index (int64) along `axis`, by default in the flattened tensor, of the largest value: the first of
/// equal ones, the first NaN where there is one. Not differentiable. Throws ShapeError where there is no
/// value.
GNN_API Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis = {}, bool keepdim = false);

}  // namespace gnn
