#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "gnn/layers/module.h"

// Differentiable views: the result shares the memory of its input, and nothing is copied. Writing into the
// one in place changes the other.

namespace gnn {

/// The elements of `x` in row-major order as another shape of the same size. One entry of `shape` may be -1:
/// it becomes what is left. Throws ShapeError when the sizes do not fit, for a second -1, and for a -1 that
/// could be anything (next to a size of 0).
GNN_API Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> shape);
GNN_API Tensor reshape(const Tensor& x, std::span<const std::int64_t> shape);
GNN_API Tensor reshape(const Tensor& x, const Shape& shape);

/// Merges the dimensions `start` to `end`, both included, into one; negative ones count from the end. A
/// scalar becomes [1]. Throws IndexError out of range and ShapeError when start comes after end.
GNN_API Tensor flatten(const Tensor& x, std::int64_t start = 0, std::int64_t end = -1);

/// Rows begin to end - 1 of the leading dimension; negative indices count from the end. Throws IndexError
/// unless 0 <= begin <= end <= x.size(0), and ShapeError for a scalar. The gradient of the other rows is 0.
GNN_API Tensor slice(const Tensor& x, std::int64_t begin, std::int64_t end);

/// flatten() as a layer; by default it keeps the leading (batch) dimension.
class GNN_API Flatten : public Module {
 public:
  explicit Flatten(std::int64_t start = 1, std::int64_t end = -1);
  Tensor forward(const Tensor& input) override;
  std::string describe() const override;

 private:
  std::int64_t start_;
  std::int64_t end_;
};

}  // namespace gnn
