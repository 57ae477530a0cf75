#include "gnn/core/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "gnn/core/check.h"
#include "gnn/core/error.h"

namespace gnn {

Shape::Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) : dim_(sizes.size()) {
  check<ShapeError>(sizes.size() <= max_dims, "a tensor has at most {} dimensions, got {}", max_dims,
                    sizes.size());
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
  // Zeros are left out, so that no product of some of the sizes overflows either.
  std::int64_t product = 1;
  for (const std::int64_t size : sizes) {
    check<ShapeError>(size >= 0, "a dimension cannot be negative, got shape [{}]", fmt::join(sizes, ", "));
    if (size == 0) continue;
    check<ShapeError>(!__builtin_mul_overflow(product, size, &product) && product <= (std::int64_t{1} << 60),
                      "shape [{}] has too many elements", fmt::join(sizes, ", "));
  }
}

std::int64_t Shape::numel() const {
  std::int64_t product = 1;
  for (const std::int64_t size : *this) product *= size;
  return product;
}

std::size_t Shape::normalize_axis(std::int64_t axis) const {
  const auto dims = static_cast<std::int64_t>(dim_);
  check<IndexError>(axis >= -dims && axis < dims, "axis {} is out of range for shape {} with {} dimensions",
                    axis, *this, dims);
  return static_cast<std::size_t>(axis < 0 ? axis + dims : axis);
}

Shape Shape::with(std::size_t axis, std::int64_t size) const {
  Shape copy = *this;
  copy.sizes_[axis] = size;
  return copy;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string Shape::to_string() const {
  return fmt::format("[{}]", fmt::join(begin(), end(), ", "));
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  std::array<std::int64_t, Shape::max_dims> sizes{};
  const std::size_t dim = std::max(a.dim(), b.dim());
  for (std::size_t i = 1; i <= dim; ++i) {  // aligned at the last dimension
    const std::int64_t p = i <= a.dim() ? a[a.dim() - i] : 1;
    const std::int64_t q = i <= b.dim() ? b[b.dim() - i] : 1;
    check<ShapeError>(p == q || p == 1 || q == 1, "{}: shapes {} and {} cannot be broadcast together", op, a,
                      b);
    sizes[dim - i] = p == 1 ? q : p;
  }
  return Shape(std::span(sizes.data(), dim));
}

}  // namespace gnn
