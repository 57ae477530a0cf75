#pragma once

// BroadcastLayout on the device: from the number of a piece of work to offsets, without a division
// instruction.

#include "gnn/kernels/broadcast.h"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {

/// Divides numbers in [0, 2^60) by a divisor that is fixed before the launch (in [1, 2^60)): a 64-bit
/// division is a routine of about a hundred instructions on a GPU, this is one wide multiplication.
///
/// With 2^(s-1) < d <= 2^s and m = ceil(2^(60+s) / d), n * m / 2^(60+s) exceeds n / d by less than
/// n / (d * 2^60) < 1 / d, which cannot reach the next integer.
class FastDivide {
 public:
  FastDivide() = default;
  explicit FastDivide(std::int64_t divisor) : divisor_(divisor) {
    const auto d = static_cast<std::uint64_t>(divisor);
    while ((std::uint64_t{1} << shift_) < d) ++shift_;
    // Long division of 2^(60+s) by d, bit by bit; the remainder stays below d.
    std::uint64_t rest = std::uint64_t{1} << shift_;
    multiplier_ = rest / d;
    rest %= d;
    for (int bit = 0; bit < 60; ++bit) {
      rest *= 2;
      multiplier_ *= 2;
      if (rest >= d) {
        rest -= d;
        ++multiplier_;
      }
    }
    if (rest != 0) ++multiplier_;
  }

  __device__ __forceinline__ std::int64_t quotient(std::int64_t n) const {
    return static_cast<std::int64_t>(__umul64hi(static_cast<std::uint64_t>(n) << 4, multiplier_) >> shift_);
  }
  /// Replaces n by n / divisor and returns the remainder.
  __device__ __forceinline__ std::int64_t split(std::int64_t& n) const {
    const std::int64_t whole = n;
    n = quotient(whole);
    return whole - n * divisor_;
  }

 private:
  std::int64_t divisor_ = 1;
  std::uint64_t multiplier_ = std::uint64_t{1} << 60;
  int shift_ = 0;
};

/// A BroadcastLayout cut into groups of up to N neighbours that lie in one row.
struct BroadcastGroups {
  struct Place {
    std::int64_t y, a, b;  // offsets of the group's first element
    std::int64_t valid;    // elements from there to the end of the row
  };

  BroadcastGroups(const BroadcastLayout& layout, int n)
      : width(n), inner(layout.inner()), outer(layout.dims - 1) {
    const std::int64_t per_row = (inner + n - 1) / n;
    groups_per_row = FastDivide(std::max<std::int64_t>(per_row, 1));
    groups = per_row;
    step_a = layout.inner_a() ? 1 : 0;
    step_b = layout.inner_b() ? 1 : 0;
    for (int d = 0; d < outer; ++d) {
      const auto i = static_cast<std::size_t>(d);
      groups *= layout.sizes[i];
      size[d] = FastDivide(std::max<std::int64_t>(layout.sizes[i], 1));
      a[d] = layout.a[i];
      b[d] = layout.b[i];
    }
  }

  __device__ __forceinline__ Place place(std::int64_t group) const {
    std::int64_t row = group;
    const std::int64_t column = groups_per_row.split(row) * width;
    Place result{row * inner + column, column * step_a, column * step_b, inner - column};
    // Unrolled, so that the members are read from the kernel's parameters at fixed places.
#pragma unroll
    for (int d = max_outer - 1; d >= 0; --d) {
      if (d < outer) {
        const std::int64_t position = size[d].split(row);
        result.a += position * a[d];
        result.b += position * b[d];
      }
    }
    return result;
  }

  static constexpr int max_outer = static_cast<int>(Shape::max_dims) - 1;
  std::int64_t groups = 0;
  FastDivide groups_per_row;
  int width;
  std::int64_t inner;
  int outer;
  int step_a = 0;
  int step_b = 0;
  FastDivide size[max_outer];
  std::int64_t a[max_outer] = {};
  std::int64_t b[max_outer] = {};
};

/// An operand that is broadcast: elements in memory, or one value known to the host.
template <class T>
struct Operand {
  const T* data = nullptr;
  T value{};

  template <int N>
  __device__ __forceinline__ Vector<T, N> load(std::int64_t offset, int step, std::int64_t valid) const {
    if (data != nullptr && step != 0) return load_vector<N>(data + offset, valid);
    const T same = data != nullptr ? data[offset] : value;
    Vector<T, N> vector;
#pragma unroll
    for (int i = 0; i < N; ++i) vector[i] = same;
    return vector;
  }
};

}  // namespace gnn::kernels
