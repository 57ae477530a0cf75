#include "gnn/kernels/gemm_tile.h"

#include <algorithm>
#include <utility>

#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

constexpr int max_rows = 6;
constexpr int max_vectors = 4;

/// A block that fits into the registers; `columns` is not used, `next_rows` is set.
template <class T>
using Tile = GemmBlock<T>;

/// The tile functions for the widest vectors of this CPU.
template <class T>
struct TileKernels {
  int lanes;                                         // elements per vector
  int vectors;                                       // vectors per panel
  PartFunction<Tile<T>> run[max_rows][max_vectors];  // [rows - 1][vectors - 1]
};

/// Rows × Vectors vectors of sums, all held in registers; `stride` is the panel's. Inlined into functions
/// that allow the instructions for vectors of `bytes` bytes.
template <class T, int bytes, int stride, int Rows, int Vectors, bool Listed>
[[gnu::always_inline]] inline void multiply_depth(const Tile<T>& t) {
  using Vector = typename VectorOf<T, bytes>::type;
  constexpr int lanes = lanes_of<T, bytes>;
  constexpr int line = lanes_of<T, 64>;
  const T* row[Rows];
  for (int i = 0; i < Rows; ++i) row[i] = t.a + t.rows[i];

  Vector sum[Rows][Vectors] = {};
  const T* b = t.b;
  for (std::int64_t p = 0; p < t.depth; ++p, b += stride) {
    const std::int64_t depth = Listed ? t.depths[p] : p;
    if (!Listed && p % line == 0) {
      // Pieces of a few cache lines each are too short for hardware to foresee; all at once they would fill
      // the buffers that loads need.
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) __builtin_prefetch(t.a + t.next_rows[i] + p);
    }
    Vector right[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) right[v] = vector_at<bytes>(b + v * lanes);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Vector left = row[i][depth] - Vector{};  // in every lane
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sum[i][v] += left * right[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    const Vector row_start = (t.row_start == nullptr ? T{0} : t.row_start[i]) - Vector{};
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      Vector result = sum[i][v] + row_start;
      if (t.start != nullptr) {
        result += vector_at<bytes>(t.start + i * t.start_stride + v * lanes);
      }
      vector_at<bytes>(t.c + i * t.c_stride + v * lanes) = result;
    }
  }
}

/// `Panel`: vectors of a panel. Two loops: the list costs a tenth of the speed.
template <class T, int Panel, int Rows, int Vectors>
struct MultiplyTile {
  template <int bytes>
  [[gnu::always_inline]] static void run(const Tile<T>& t) {
    constexpr int stride = lanes_of<T, bytes> * Panel;
    if (t.depths == nullptr) {
      multiply_depth<T, bytes, stride, Rows, Vectors, false>(t);
    } else {
      multiply_depth<T, bytes, stride, Rows, Vectors, true>(t);
    }
  }
};

template <class T>
TileKernels<T> choose_kernels() {
  return for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    // 6 × 4 sums, 4 vectors of the right matrix and one of the left fill 29 of the 32 registers of AVX-512;
    // 6 × 2 + 2 + 1 fill 15 of the 16 of AVX2.
    constexpr int panel = isa == Isa::avx512 ? 4 : 2;
    TileKernels<T> kernels{lanes_of<T, vector_bytes<isa>>, panel, {}};
    [&]<int... i>(std::integer_sequence<int, i...>) {
      ((kernels.run[i / panel][i % panel] =
            function_for<isa, MultiplyTile<T, panel, i / panel + 1, i % panel + 1>, Tile<T>>()),
       ...);
    }
    (std::make_integer_sequence<int, max_rows * panel>{});
    return kernels;
  });
}

template <class T>
const TileKernels<T>& tile_kernels() {
  static const TileKernels<T> kernels = choose_kernels<T>();
  return kernels;
}

/// The tile by way of a scratch array, where its last vector would reach beyond the last column.
template <class T>
void multiply_edge(Tile<T> t, const TileKernels<T>& kernels, std::int64_t vectors, std::int64_t columns) {
  T scratch[max_rows * max_panel_columns];
  const std::int64_t width = vectors * kernels.lanes;
  T* c = t.c;
  const std::int64_t c_stride = t.c_stride;
  if (t.start != nullptr) {
    for (std::int64_t i = 0; i < t.row_count; ++i) {
      T* line = scratch + i * width;
      std::copy_n(t.start + i * t.start_stride, columns, line);
      std::fill(line + columns, line + width, T{0});
    }
    t.start = scratch;
    t.start_stride = width;
  }
  t.c = scratch;
  t.c_stride = width;
  kernels.run[t.row_count - 1][vectors - 1](t);
  for (std::int64_t i = 0; i < t.row_count; ++i) std::copy_n(scratch + i * width, columns, c + i * c_stride);
}

}  // namespace

template <class T>
std::int64_t panel_columns() {
  const TileKernels<T>& kernels = tile_kernels<T>();
  return std::int64_t{kernels.lanes} * kernels.vectors;
}

template <class T>
void multiply_block(const GemmBlock<T>& block) {
  if (block.columns <= 0) return;
  const TileKernels<T>& kernels = tile_kernels<T>();
  const std::int64_t vectors = (block.columns + kernels.lanes - 1) / kernels.lanes;
  const bool edge = block.columns % kernels.lanes != 0;
  // Tiles as equal as possible: 7 rows are 4 + 3, not 6 + 1, which would wait for its own sums.
  const std::int64_t tiles = (block.row_count + max_rows - 1) / max_rows;
  for (std::int64_t k = 0; k < tiles; ++k) {
    const std::int64_t begin = block.row_count * k / tiles;
    const std::int64_t end = block.row_count * (k + 1) / tiles;
    Tile<T> t = block;
    t.rows += begin;
    t.row_count = end - begin;
    t.next_rows = block.rows + std::min(end, block.row_count - t.row_count);
    t.c += begin * t.c_stride;
    if (t.start != nullptr) t.start += begin * t.start_stride;
    if (t.row_start != nullptr) t.row_start += begin;
    if (edge) {
      multiply_edge(t, kernels, vectors, block.columns);
    } else {
      kernels.run[t.row_count - 1][vectors - 1](t);
    }
  }
}

template std::int64_t panel_columns<float>();
template std::int64_t panel_columns<double>();
template void multiply_block(const GemmBlock<float>& block);
template void multiply_block(const GemmBlock<double>& block);

}  // namespace gnn::kernels
