#pragma once

#include <bitset>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "gnn/core/shape.h"

namespace gnn {

/// For each axis of a shape, whether it is meant.
using AxisMask = std::bitset<Shape::max_dims>;

/// The axes that an operation works on: `0`, `-1`, `{0, 2, 3}`; by default (or `{}`) all of them. Negative
/// axes count from the end.
class GNN_API Axes {
 public:
  Axes() = default;
  Axes(std::int64_t axis) : axes_{axis} {}                         // implicit: sum(x, 1)
  Axes(std::initializer_list<std::int64_t> axes) : axes_(axes) {}  // implicit: sum(x, {0, 2})
  explicit Axes(std::span<const std::int64_t> axes) : axes_(axes.begin(), axes.end()) {}

  /// The axes of `shape` that are meant. Throws IndexError for one out of range and ValueError for one named
  /// twice; both name `op`.
  AxisMask mask(const char* op, const Shape& shape) const;

 private:
  std::vector<std::int64_t> axes_;  // empty: all
};

/// `shape` without the axes in `mask`, or with size 1 there when `keepdim`.
GNN_API Shape reduced_shape(const Shape& shape, AxisMask mask, bool keepdim);

}  // namespace gnn
