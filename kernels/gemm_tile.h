#pragma once

#include <cstdint>

// The inner loops of every matrix product on the CPU. Not installed.
//
// libgnn multiplies with tile kernels of its own rather than a BLAS: they read the left matrix through two
// lists of offsets, so that convolutions need no im2col matrix in memory; small products, which is what a
// small network is made of, cost no call overhead; and sums are always taken in the same order, whatever the
// number of threads, the cutting into tiles or the width of the vectors. (A product of a single row,
// gemm.cpp, has an order of its own, as independent of those.)

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
  const T* start;             ///< may be c, to accumulate, or nullptr: 0
  std::int64_t start_stride;  ///< between its rows; 0 for one row (a bias) that serves all
  const T* row_start;         ///< may be nullptr: 0
};

/// Columns that a packed panel has on this CPU.
template <class T>
std::int64_t panel_columns();

template <class T>
void multiply_block(const GemmBlock<T>& block);

/// out[j * out_stride + i] = scale * in[i * in_stride + j] for i < rows, j < columns, in blocks of 4 × 4 that
/// are turned in registers. For loops that run_simd compiles.
template <class T>
[[gnu::always_inline]] inline void transpose_into(const T* in, std::int64_t in_stride, std::int64_t rows,
                                                  std::int64_t columns, T scale, T* out,
                                                  std::int64_t out_stride) {
  typedef T Vector __attribute__((vector_size(4 * sizeof(T)), aligned(alignof(T)), may_alias));
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const T* source = in + i * in_stride;
    std::int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
      const Vector r0 = scale * *reinterpret_cast<const Vector*>(source + j);
      const Vector r1 = scale * *reinterpret_cast<const Vector*>(source + in_stride + j);
      const Vector r2 = scale * *reinterpret_cast<const Vector*>(source + 2 * in_stride + j);
      const Vector r3 = scale * *reinterpret_cast<const Vector*>(source + 3 * in_stride + j);
      const Vector low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
      const Vector low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
      const Vector high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
      const Vector high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
      T* target = out + j * out_stride + i;
      *reinterpret_cast<Vector*>(target) = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
      *reinterpret_cast<Vector*>(target + out_stride) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
      *reinterpret_cast<Vector*>(target + 2 * out_stride) =
          __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
      *reinterpret_cast<Vector*>(target + 3 * out_stride) =
          __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
    }
    for (; j < columns; ++j) {
      for (std::int64_t k = 0; k < 4; ++k) out[j * out_stride + i + k] = scale * source[k * in_stride + j];
    }
  }
  for (; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) out[j * out_stride + i] = scale * in[i * in_stride + j];
  }
}

}  // namespace gnn::kernels
