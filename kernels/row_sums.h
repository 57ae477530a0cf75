#pragma once

#include <cstdint>

// Weighted sums of short rows, the inner loop of gradients that go through max pooling. Not installed.

namespace gnn::kernels {

/// One of several sums: of the terms [first, first + count), added to the rows at `target`, an offset.
struct RowSum {
  std::int64_t target;
  std::int64_t first;
  std::int64_t count;
};

/// For every item, with `rows` rows of `vectors` vectors each:
///
///   target[item.target + r * target_stride + j] +=
///       Σ_t factors[t] · source[places[t] * step + r * source_stride + j],   t of the item
///
/// with fused multiply-adds where the CPU has them, the sums in registers meanwhile. The order of t depends
/// on rows · vectors alone: every second or fourth term goes into a sum of its own where these are few.
template <class T>
struct RowSumBatch {
  T* target;
  std::int64_t target_stride;
  const T* source;
  std::int64_t source_stride;
  std::int64_t step;
  const std::int32_t* places;
  const T* factors;
  const RowSum* items;
  std::int64_t item_count;
};

/// The functions for this CPU and one width of vectors.
template <class T>
struct RowSums {
  static constexpr int most_rows = 5;
  static constexpr int most_vectors = 8;

  int lanes;   ///< elements per vector
  int budget;  ///< rows · vectors that one call may add
  void (*run[most_rows][most_vectors])(
      const RowSumBatch<T>&);  ///< [rows - 1][vectors - 1]; nullptr beyond the budget
};

/// With the widest vectors, or with narrower ones where a row of `length` elements fits into one: a load that
/// crosses cache lines costs twice, and short vectors rarely do. (Those have one vector to a row.)
template <class T>
const RowSums<T>& row_sums(std::int64_t length);

}  // namespace gnn::kernels
