#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "gnn/core/export.h"

namespace gnn {

/// The sizes of a tensor's dimensions, outermost first; at most 8, held inline. A shape without dimensions is
/// a scalar's (one element); a dimension of size 0 makes an empty tensor.
class GNN_API Shape {
 public:
  static constexpr std::size_t max_dims = 8;

  Shape() = default;
  /// Throws ShapeError for more than 8 dimensions, a negative size, or sizes other than 0 whose product is
  /// more than 2^60.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  std::size_t dim() const { return dim_; }
  /// Number of elements: the product of the sizes, 1 for a scalar.
  std::int64_t numel() const;

  /// Size of dimension `axis`, unchecked.
  std::int64_t operator[](std::size_t axis) const { return sizes_[axis]; }
  /// Size of dimension `axis`; negative counts from the end. Throws IndexError out of range.
  std::int64_t size(std::int64_t axis) const { return sizes_[normalize_axis(axis)]; }
  /// `axis` as an index in [0, dim()); negative counts from the end. Throws IndexError out of range.
  std::size_t normalize_axis(std::int64_t axis) const;

  /// A copy with dimension `axis` set to `size`.
  Shape with(std::size_t axis, std::int64_t size) const;

  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + dim_; }

  bool operator==(const Shape& other) const;

  /// "[64, 1, 28, 28]"; "[]" for a scalar.
  std::string to_string() const;

 private:
  std::array<std::int64_t, max_dims> sizes_{};
  std::size_t dim_ = 0;
};

/// The shape that NumPy's broadcasting gives for two shapes; throws ShapeError naming `op` when they do not
/// fit.
GNN_API Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

}  // namespace gnn
