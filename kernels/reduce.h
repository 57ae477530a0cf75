#pragma once

#include <cstdint>
#include <vector>

#include "gnn/core/tensor.h"
#include "gnn/kernels/axes.h"
#include "gnn/kernels/run.h"

// Reductions over axes. A kernel sees its input as [outer, reduced, inner] and reduces the middle; an
// arbitrary set of axes is a sequence of such passes (reduction_passes), done by sum_axes and expand_axes.
// float32 and float64.
//
// Accumulation: the CPU adds in float64; CUDA adds in the tensor's type, at most 128 values in a row, then
// partial sums as a tree. The order depends on the shape only, never on the number of threads: results repeat
// bitwise on one kind of device.

namespace gnn::kernels {

/// A contiguous tensor as [outer, reduced, inner].
struct ReduceDims {
  std::int64_t outer = 1;
  std::int64_t reduced = 1;
  std::int64_t inner = 1;
};

/// Which run of reduced axes goes first. Largest: least memory traffic. Innermost: of equal values, an index
/// in the result of each pass is the first in row-major order over all passes.
enum class PassOrder { largest_first, innermost_first };

/// The passes that reduce the axes `mask` of `shape`, each on the result of the one before; at least one,
/// that copies when there is nothing to reduce. Neighbouring axes are one pass, axes of size 1 none.
GNN_API std::vector<ReduceDims> reduction_passes(const Shape& shape, AxisMask mask, PassOrder order);

/// y[o, i] = scale * sum over r of x[o, r, i]; 0 * scale where nothing is summed. y has outer * inner
/// elements.
struct GNN_API Sum {
  static constexpr const char* name = "sum";
  static void cpu(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y);
  static void cuda(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y);
};

/// y[o, r, i] = scale * x[o, i]: the gradient of Sum.
struct GNN_API Expand {
  static constexpr const char* name = "expand";
  static void cpu(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y);
  static void cuda(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y);
};

/// values[o, i] = the largest x[o, r, i] over r; indices (int64) = the first r where it is. A NaN is larger
/// than any number: the first NaN wins. Either output may be undefined (not wanted). Throws ShapeError for
/// reduced == 0 with an output to fill.
struct GNN_API Max {
  static constexpr const char* name = "max";
  static void cpu(const Tensor& x, const ReduceDims& dims, Tensor& values, Tensor& indices);
  static void cuda(const Tensor& x, const ReduceDims& dims, Tensor& values, Tensor& indices);
};

/// dx[o, r, i] = r == indices[o, i] ? grad[o, i] : 0.
struct GNN_API MaxBackward {
  static constexpr const char* name = "max_backward";
  static void cpu(const Tensor& grad, const Tensor& indices, const ReduceDims& dims, Tensor& dx);
  static void cuda(const Tensor& grad, const Tensor& indices, const ReduceDims& dims, Tensor& dx);
};

/// y = scale * the sum of x over the axes `mask`; y has any shape of the right number of elements.
GNN_API void sum_axes(const Tensor& x, AxisMask mask, double scale, Tensor& y);

/// y = scale * x, repeated along the axes `mask` of y's shape: the gradient of sum_axes.
GNN_API void expand_axes(const Tensor& x, AxisMask mask, double scale, Tensor& y);

/// Throws ShapeError naming `kernel` unless `full` has the elements of `dims`, and `reduced`, where defined,
/// those that are left.
GNN_API void check_reduce_dims(const char* kernel, const ReduceDims& dims, const Tensor& full,
                               const Tensor& reduced);

}  // namespace gnn::kernels
