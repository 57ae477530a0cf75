#pragma once

#include "gnn/core/tensor.h"

namespace gnn {

/// A new tensor whose elements are all `value`. Integer dtypes take it truncated towards zero and saturated.
GNN_API Tensor full(const Shape& shape, double value, const TensorOptions& options = {});
/// full() with the shape, dtype and device of `tensor`.
GNN_API Tensor full_like(const Tensor& tensor, double value);
/// A new tensor of ones.
GNN_API Tensor ones(const Shape& shape, const TensorOptions& options = {});
/// ones() of the same shape, dtype and device.
GNN_API Tensor ones_like(const Tensor& tensor);

/// The numbers start, start + step, … below `end` (above it when step is negative): [ceil((end - start) /
/// step)]. Throws ValueError when step is 0, when an argument is not finite, and when the step leads away
/// from `end`.
GNN_API Tensor arange(double start, double end, double step = 1, const TensorOptions& options = {});
/// 0, 1, … below `end`, as int64.
GNN_API Tensor arange(std::int64_t end, Device device = Device::cpu());

/// Sets every element of `tensor`, in place; not recorded on the tape.
GNN_API void fill(Tensor& tensor, double value);

}  // namespace gnn
