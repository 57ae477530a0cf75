#include "gnn/kernels/gemm_few_rows.h"

#include <algorithm>
#include <utility>

#include "gnn/kernels/activation_math.h"
#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

/// Sums that every sum is cut into.
constexpr int parts = 16;
constexpr int most_tile_rows = 4;
constexpr int most_tile_columns = 4;

/// sums[i * most_tile_columns + j] = Σ_p a[i * a_stride + p] · b[j * b_stride + p],  p < depth
template <class T>
struct RowTile {
  const T* a;
  std::int64_t a_stride;
  const T* b;
  std::int64_t b_stride;
  std::int64_t depth;
  T* sums;
};

/// four[k] = Σ of the parts k, k + 4, k + 8 and k + 12: part k and k + 8 first.
template <class T, int bytes, int vectors>
[[gnu::always_inline]] inline void add_to_four(const typename VectorOf<T, bytes>::type (&sums)[vectors],
                                               typename VectorOf<T, 4 * sizeof(T)>::type& four) {
  if constexpr (vectors == 1) {
    const auto eight = __builtin_shufflevector(sums[0], sums[0], 0, 1, 2, 3, 4, 5, 6, 7) +
                       __builtin_shufflevector(sums[0], sums[0], 8, 9, 10, 11, 12, 13, 14, 15);
    four =
        __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  } else if constexpr (vectors == 2) {
    const auto eight = sums[0] + sums[1];
    four =
        __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  } else if constexpr (vectors == 4) {
    four = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  } else {
    const auto low = (sums[0] + sums[4]) + (sums[2] + sums[6]);
    const auto high = (sums[1] + sums[5]) + (sums[3] + sums[7]);
    four = __builtin_shufflevector(low, high, 0, 1, 2, 3);
  }
}

/// The depth % parts last elements of a row, in `parts` places that begin or end with zeros.
template <int bytes, class T>
[[gnu::always_inline]] inline void copy_last(const T* row, std::int64_t depth, T* to) {
  using Vector = typename VectorOf<T, bytes>::type;
  constexpr int lanes = lanes_of<T, bytes>;
  if (depth < parts) {
    std::fill_n(to, parts, T{0});
    std::copy_n(row, depth, to);
    return;
  }
  // Whole vectors, without the elements that were there before.
  const auto before = static_cast<T>(parts - depth % parts);
  Vector place;
  for (int k = 0; k < lanes; ++k) place[k] = static_cast<T>(k);
#pragma GCC unroll 8
  for (int v = 0; v < parts / lanes; ++v, place += static_cast<T>(lanes)) {
    vector_at<bytes>(to + v * lanes) =
        place >= before ? vector_at<bytes>(row + depth - parts + v * lanes) : Vector{};
  }
}

template <class T, int Rows, int Columns>
struct MultiplyRows {
  template <int bytes>
  [[gnu::always_inline]] static void run(const RowTile<T>& tile) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int lanes = lanes_of<T, bytes>;
    constexpr int vectors = parts / lanes;
    const RowTile<T> s = tile;
    Vector sums[Rows][Columns][vectors] = {};
    const auto add = [&](const T* a, std::int64_t lda, const T* b, std::int64_t ldb) [[gnu::always_inline]] {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        Vector right[Columns];
#pragma GCC unroll 4
        for (int j = 0; j < Columns; ++j) right[j] = vector_at<bytes>(b + j * ldb + v * lanes);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i) {
          const Vector left = vector_at<bytes>(a + i * lda + v * lanes);
#pragma GCC unroll 4
          for (int j = 0; j < Columns; ++j) sums[i][j][v] += left * right[j];
        }
      }
    };
    std::int64_t p = 0;
    for (; p + parts <= s.depth; p += parts) add(s.a + p, s.a_stride, s.b + p, s.b_stride);
    if (p < s.depth) {  // the last elements of each row, then zeros
      T a[Rows * parts];
      T b[Columns * parts];
      for (int i = 0; i < Rows; ++i) copy_last<bytes>(s.a + i * s.a_stride, s.depth, a + i * parts);
      for (int j = 0; j < Columns; ++j) copy_last<bytes>(s.b + j * s.b_stride, s.depth, b + j * parts);
      add(a, parts, b, parts);
    }
    using Four = typename VectorOf<T, 4 * sizeof(T)>::type;
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i) {
      Four four[most_tile_columns] = {};
#pragma GCC unroll 4
      for (int j = 0; j < Columns; ++j) add_to_four<T, bytes, vectors>(sums[i][j], four[j]);
      const Four low01 = __builtin_shufflevector(four[0], four[1], 0, 4, 1, 5);
      const Four low23 = __builtin_shufflevector(four[2], four[3], 0, 4, 1, 5);
      const Four high01 = __builtin_shufflevector(four[0], four[1], 2, 6, 3, 7);
      const Four high23 = __builtin_shufflevector(four[2], four[3], 2, 6, 3, 7);
      const Four pairs01 = low01 + high01;
      const Four pairs23 = low23 + high23;
      vector_at<4 * sizeof(T)>(s.sums + i * most_tile_columns) =
          __builtin_shufflevector(pairs01, pairs23, 0, 1, 4, 5) +
          __builtin_shufflevector(pairs01, pairs23, 2, 3, 6, 7);
    }
  }
};

template <class T>
struct RowKernels {
  int rows;  // of a tile, at most
  int columns;
  PartFunction<RowTile<T>> run[most_tile_rows][most_tile_columns];
};

template <class T>
const RowKernels<T>& row_kernels() {
  static const RowKernels<T> kernels = for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    // Sums for as many registers as leave room for factors: 4 x 4 of a vector each, 2 x 2 of two, 1 x 2 of
    // four.
    constexpr int tile = (isa == Isa::avx512 ? 16 : 8) / (parts / lanes_of<T, vector_bytes<isa>>);
    constexpr int columns = tile >= 8 ? 4 : tile >= 2 ? 2 : 1;
    constexpr int rows = tile / columns;
    RowKernels<T> table{rows, columns, {}};
    [&]<int... i>(std::integer_sequence<int, i...>) {
      ((table.run[i / columns][i % columns] =
            function_for<isa, MultiplyRows<T, i / columns + 1, i % columns + 1>, RowTile<T>>()),
       ...);
    }
    (std::make_integer_sequence<int, rows * columns>{});
    return table;
  });
  return kernels;
}

}  // namespace

template <class T>
bool has_few_rows(const GemmCall<T>& call) {
  const bool rows = call.b.transposed && (!call.a.transposed || call.m == 1);
  if (!rows || call.batch > 1 || call.beta != 0) return false;
  // Measured; more rows are worth packing. Of columns, whose other way packs less, narrow vectors are too
  // slow for as many, and so are short sums, which are added up at the end.
  constexpr std::int64_t few_rows = 8;
  constexpr std::int64_t few_columns = 4;
  constexpr std::int64_t few_long_columns = 12;
  return call.m <= few_rows || call.n <= few_columns ||
         (cpu_isa() == Isa::avx512 && call.n <= few_long_columns && call.k >= 192);
}

template <class T>
void multiply_few_rows(const GemmCall<T>& call) {
  const RowKernels<T>& kernels = row_kernels<T>();
  // `few` rows times those of `many`, which the threads share.
  const bool many_columns = call.n >= call.m;
  const Matrix<T> few = many_columns ? call.a : call.b;
  const Matrix<T> many = many_columns ? call.b : call.a;
  const std::int64_t few_count = std::min(call.m, call.n);
  const std::int64_t many_count = std::max(call.m, call.n);
  const std::int64_t pieces = (many_count + kernels.columns - 1) / kernels.columns;
  const std::int64_t grain = 250000 / (kernels.columns * few_count * call.k + 1) + 1;
  parallel_for<Isa::base>(pieces, grain, [=, &kernels](std::int64_t begin, std::int64_t end) {
    T sums[most_tile_rows * most_tile_columns];
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t j = piece * kernels.columns;
      const std::int64_t columns = std::min<std::int64_t>(kernels.columns, many_count - j);
      for (std::int64_t i = 0; i < few_count; i += kernels.rows) {
        const std::int64_t rows = std::min<std::int64_t>(kernels.rows, few_count - i);
        kernels.run[rows - 1][columns - 1](
            {few.data + i * few.stride, few.stride, many.data + j * many.stride, many.stride, call.k, sums});
        for (std::int64_t r = 0; r < rows; ++r) {
          for (std::int64_t q = 0; q < columns; ++q) {
            const std::int64_t row = many_columns ? i + r : j + q;
            const std::int64_t column = many_columns ? j + q : i + r;
            const T bias = call.column_bias != nullptr ? call.column_bias[column] : T{0};
            const T value = call.alpha * sums[r * most_tile_columns + q] + bias;
            call.c[row * call.c_stride + column] = call.relu ? Relu<T>{}.value(value) : value;
          }
        }
      }
    }
  });
}

template bool has_few_rows(const GemmCall<float>& call);
template bool has_few_rows(const GemmCall<double>& call);
template void multiply_few_rows(const GemmCall<float>& call);
template void multiply_few_rows(const GemmCall<double>& call);

}  // namespace gnn::kernels
