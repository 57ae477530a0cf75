#pragma once

#include <cstdint>

// Weighted sums of short rows, the inner loop of gradients that go through max pooling. Not installed.

namespace gnn::kernels {

/// A row that goes into a sum: its place, in steps, and its factor.
template <class T>
struct RowTerm {
  std::int32_t place;
  T factor;
};

/// With `rows` rows of `vectors` vectors each:
///
///   target[r * target_stride + j] += Σ_t terms[t].factor · source[terms[t].place * step + r * source_stride
///   + j]
///
/// in order of t, with fused multiply-adds where the CPU has them. The sums stay in registers meanwhile.
template <class T>
struct RowSum {
  T* target;
  std::int64_t target_stride;
  const T* source;
  std::int64_t source_stride;
  std::int64_t step;
  const RowTerm<T>* terms;
  std::int64_t term_count;
};

/// The functions for this CPU.
template <class T>
struct RowSums {
  static constexpr int most_rows = 5;
  static constexpr int most_vectors = 8;

  int lanes;   ///< elements per vector
  int budget;  ///< rows · vectors that one call may add
  void (*run[most_rows][most_vectors])(
      const RowSum<T>&);  ///< [rows - 1][vectors - 1]; nullptr beyond the budget
};

template <class T>
const RowSums<T>& row_sums();

}  // namespace gnn::kernels
