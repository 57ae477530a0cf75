#pragma once

// How kernels walk tensors whose shapes are broadcast (NumPy's rules) or reduced. Not installed.

#include <array>
#include <cstdint>

#include "gnn/core/shape.h"

namespace gnn::kernels {

/// Two operands that are read along the index space of a result, with as few dimensions as possible: sizes of
/// 1 are dropped and neighbours merged wherever both operands step through them as through one. Strides are
/// in elements; 0 repeats the operand. The innermost strides are 0 or 1, and there is always at least one
/// dimension.
struct BroadcastLayout {
  int dims = 1;
  std::array<std::int64_t, Shape::max_dims> sizes{};
  std::array<std::int64_t, Shape::max_dims> a{};
  std::array<std::int64_t, Shape::max_dims> b{};

  std::int64_t inner() const { return sizes[static_cast<std::size_t>(dims - 1)]; }
  bool inner_a() const { return a[static_cast<std::size_t>(dims - 1)] != 0; }
  bool inner_b() const { return b[static_cast<std::size_t>(dims - 1)] != 0; }
};

/// The layout for operands of shapes `a` and `b`, each of which broadcasts to `result`.
BroadcastLayout broadcast_layout(const Shape& a, const Shape& b, const Shape& result);

/// A position in the index space of a BroadcastLayout, walked along rows of the innermost dimension.
class BroadcastCursor {
 public:
  BroadcastCursor(const BroadcastLayout& layout, std::int64_t index) : layout_(layout) {
    for (int d = layout.dims - 1; d >= 0; --d) {
      const auto i = static_cast<std::size_t>(d);
      position_[i] = index % layout.sizes[i];
      index /= layout.sizes[i];
      a_ += position_[i] * layout.a[i];
      b_ += position_[i] * layout.b[i];
    }
  }

  /// Elements from here to the end of the row.
  std::int64_t rest() const {
    return layout_.inner() - position_[static_cast<std::size_t>(layout_.dims - 1)];
  }
  std::int64_t a() const { return a_; }
  std::int64_t b() const { return b_; }

  /// Moves on by `count` elements, at most rest().
  void advance(std::int64_t count) {
    for (int d = layout_.dims - 1; d >= 0; --d) {
      const auto i = static_cast<std::size_t>(d);
      position_[i] += count;
      a_ += count * layout_.a[i];
      b_ += count * layout_.b[i];
      if (position_[i] < layout_.sizes[i] || d == 0) return;
      a_ -= position_[i] * layout_.a[i];
      b_ -= position_[i] * layout_.b[i];
      position_[i] = 0;
      count = 1;
    }
  }

 private:
  const BroadcastLayout& layout_;
  std::array<std::int64_t, Shape::max_dims> position_{};
  std::int64_t a_ = 0;
  std::int64_t b_ = 0;
};

/// An index space that strides through a tensor, outermost dimension first.
struct Strided {
  int dims = 0;
  std::array<std::int64_t, Shape::max_dims> sizes{};
  std::array<std::int64_t, Shape::max_dims> strides{};

  std::int64_t count() const {
    std::int64_t product = 1;
    for (int d = 0; d < dims; ++d) product *= sizes[static_cast<std::size_t>(d)];
    return product;
  }
  std::int64_t offset(std::int64_t index) const {
    std::int64_t result = 0;
    for (int d = dims - 1; d >= 0; --d) {
      const auto i = static_cast<std::size_t>(d);
      result += index % sizes[i] * strides[i];
      index /= sizes[i];
    }
    return result;
  }
  /// Size and stride of the innermost dimension; 1 when there is none.
  std::int64_t inner_size() const { return dims == 0 ? 1 : sizes[static_cast<std::size_t>(dims - 1)]; }
  std::int64_t inner_stride() const { return dims == 0 ? 1 : strides[static_cast<std::size_t>(dims - 1)]; }
};

/// A sum over some axes of a contiguous tensor: element `o` of the result, in row-major order, is the sum of
/// x[kept.offset(o) + summed.offset(t)] over all t.
struct SumLayout {
  Strided kept;
  Strided summed;
  /// True when the innermost dimension of x is summed, so that neighbouring terms are neighbours in memory;
  /// else neighbouring results are.
  bool inner_summed = true;
};

/// The layout for summing a tensor of shape `x` to the shape `y`, which broadcasts to `x`.
SumLayout sum_layout(const Shape& x, const Shape& y);

}  // namespace gnn::kernels
