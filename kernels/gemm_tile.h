#pragma once

#include <cstdint>

// The inner loops of every matrix product on the CPU. Not installed.
//
// libgnn multiplies with tile kernels of its own rather than a BLAS: they read the left matrix through two
// lists of offsets, so that convolutions need no im2col matrix in memory; small products, which is what a
// small network is made of, cost no call overhead; and sums are always taken in the same order, whatever the
// number of threads, the cutting into tiles or the width of the vectors. (A product of a few rows,
// gemm_few_rows.h, has an order of its own, as independent of those.)

namespace gnn::kernels {

/// Depth (terms per sum) that is multiplied at a time: 128 packed rows of the right matrix are 32 KiB, which
/// the first-level cache holds. Longer sums are sums of such partial sums, so that rounding errors of float32
/// grow slowly.
inline constexpr std::int64_t gemm_depth = 128;
/// Most columns of a packed panel (64 floats on AVX-512).
inline constexpr std::int64_t max_panel_columns = 64;

/// One block of a product, for i < row_count, j < columns <= panel_columns<T>():
///
///   c[i][j] = start[i][j] + row_start[i] + Σ_p a[rows[i] + depths[p]] · b[p][j],  p < depth
///
/// Each sum over p is one chain of multiply-adds (fused where the CPU can) in order, beginning at 0.
template <class T>
struct GemmBlock {
  const T* a;
  const std::int64_t* rows;    ///< offset of each row of the left matrix
  const std::int64_t* depths;  ///< offset of each of its columns; nullptr: they lie side by side
  std::int64_t row_count;
  std::int64_t depth;
  const T* b;  ///< packed right matrix: row p at b + p * panel_columns<T>(), zeros beyond `columns`
  std::int64_t columns;
  T* c;
  std::int64_t c_stride;
  const T* start;                 ///< may be c, to accumulate, or nullptr: 0
  std::int64_t start_stride;      ///< between its rows; 0 for one row (a bias) that serves all
  const T* row_start;             ///< may be nullptr: 0
  const std::int64_t* next_rows;  ///< set by multiply_block(): the rows to fetch meanwhile, as many
};

/// Columns that a packed panel has on this CPU.
template <class T>
std::int64_t panel_columns();

template <class T>
void multiply_block(const GemmBlock<T>& block);

}  // namespace gnn::kernels
