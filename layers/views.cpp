#include "gnn/layers/views.h"

#include <fmt/format.h>

#include <array>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

/// `shape` with its -1, if there is one, replaced.
Shape resolve(const Tensor& x, std::span<const std::int64_t> shape) {
  check<ShapeError>(shape.size() <= Shape::max_dims, "reshape: expected at most {} dimensions, got {}",
                    Shape::max_dims, shape.size());
  std::array<std::int64_t, Shape::max_dims> sizes{};
  std::int64_t known = 1;
  std::size_t open = shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    sizes[i] = shape[i];
    if (shape[i] == -1) {
      check<ShapeError>(open == shape.size(), "reshape: only one size can be -1, got [{}]",
                        fmt::join(shape, ", "));
      open = i;
    } else {
      check<ShapeError>(shape[i] >= 0 && !__builtin_mul_overflow(known, shape[i], &known),
                        "reshape: [{}] is not a shape", fmt::join(shape, ", "));
    }
  }
  if (open < shape.size()) {
    check<ShapeError>(known != 0 && x.numel() % known == 0, "reshape: {} does not fit into [{}]", x.shape(),
                      fmt::join(shape, ", "));
    sizes[open] = x.numel() / known;
  }
  const Shape resolved(std::span(sizes.data(), shape.size()));
  check<ShapeError>(resolved.numel() == x.numel(), "reshape: {} does not fit into [{}]", x.shape(),
                    fmt::join(shape, ", "));
  return resolved;
}

}  // namespace

Tensor reshape(const Tensor& x, std::span<const std::int64_t> shape) {
  return record(
      "reshape", x.alias(resolve(x, shape)), {x},
      [original = x.shape()](const Tensor& grad, Gradients& grads) { grads.set(0, grad.alias(original)); });
}

Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> shape) {
  return reshape(x, std::span(shape.begin(), shape.size()));
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  return reshape(x, std::span(shape.begin(), shape.dim()));
}

Tensor flatten(const Tensor& x, std::int64_t start, std::int64_t end) {
  const Shape& shape = x.shape();
  if (shape.dim() == 0) return reshape(x, {1});
  const std::size_t first = shape.normalize_axis(start);
  const std::size_t last = shape.normalize_axis(end);
  check<ShapeError>(first <= last, "flatten: dimension {} comes after {} in {}", start, end, shape);
  std::array<std::int64_t, Shape::max_dims> sizes{};
  std::size_t dim = 0;
  for (std::size_t axis = 0; axis < shape.dim(); ++axis) {
    if (axis > first && axis <= last) {
      sizes[dim - 1] *= shape[axis];
    } else {
      sizes[dim++] = shape[axis];
    }
  }
  return reshape(x, std::span<const std::int64_t>(sizes.data(), dim));
}

Tensor slice(const Tensor& x, std::int64_t begin, std::int64_t end) {
  check<ShapeError>(x.dim() > 0, "slice: a scalar has no leading dimension");
  const std::int64_t rows = x.shape()[0];
  const std::int64_t first = begin < 0 ? begin + rows : begin;
  const std::int64_t last = end < 0 ? end + rows : end;
  check<IndexError>(0 <= first && first <= last && last <= rows,
                    "slice: [{}, {}) is out of range for shape {}", begin, end, x.shape());
  const std::int64_t row = rows == 0 ? 0 : x.numel() / rows;
  return record("slice", x.alias(x.shape().with(0, last - first), first * row), {x},
                [original = x.shape(), offset = first * row](const Tensor& grad, Gradients& grads) {
                  Tensor dx = zeros(original, grad.options());
                  dx.alias(grad.shape(), offset).copy_from(grad);
                  grads.set(0, dx);
                });
}

Flatten::Flatten(std::int64_t start, std::int64_t end) : Module("Flatten"), start_(start), end_(end) {}

Tensor Flatten::forward(const Tensor& input) {
  return flatten(input, start_, end_);
}

std::string Flatten::describe() const {
  return start_ == 1 && end_ == -1 ? "" : fmt::format("start={}, end={}", start_, end_);
}

}  // namespace gnn
