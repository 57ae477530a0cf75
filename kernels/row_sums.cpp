#include "gnn/kernels/row_sums.h"

#include <utility>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

/// Sums that are independent of each other, of which a multiply-add in each of two units every cycle needs
/// about eight to hide its latency of four cycles.
constexpr int wanted_sums = 8;
constexpr int row_chains(int sums) {
  return sums >= wanted_sums ? 1 : sums > 2 ? 2 : 4;
}

template <class T, int bytes, int Rows, int Vectors>
[[gnu::always_inline]] inline void add_rows(const RowSumBatch<T>& batch) {
  using Vector = typename VectorOf<T, bytes>::type;
  constexpr int lanes = lanes_of<T, bytes>;
  constexpr int chains = row_chains(Rows * Vectors);
  const RowSumBatch<T> s = batch;
  const auto add = [&](std::int64_t t, Vector(&to)[Rows][Vectors]) [[gnu::always_inline]] {
    const Vector factor = s.factors[t] - Vector{};  // in every lane
    const T* row = s.source + s.places[t] * s.step;
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r, row += s.source_stride) {
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) to[r][v] += factor * vector_at<bytes>(row + v * lanes);
    }
  };
  for (const RowSum* item = s.items; item != s.items + s.item_count; ++item) {
    T* const target = s.target + item->target;
    Vector sum[chains][Rows][Vectors] = {};
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v)
        sum[0][r][v] = vector_at<bytes>(target + r * s.target_stride + v * lanes);
    }
    std::int64_t t = item->first;
    const std::int64_t end = t + item->count;
    for (; t + chains <= end; t += chains) {
#pragma GCC unroll 4
      for (int c = 0; c < chains; ++c) add(t + c, sum[c]);
    }
    for (; t < end; ++t) add(t, sum[0]);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
#pragma GCC unroll 4
        for (int c = 1; c < chains; ++c) sum[0][r][v] += sum[c][r][v];
        vector_at<bytes>(target + r * s.target_stride + v * lanes) = sum[0][r][v];
      }
    }
  }
}

#if defined(__x86_64__)
template <class T, int Rows, int Vectors>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512")]] void add_avx512(const RowSumBatch<T>& s) {
  add_rows<T, 64, Rows, Vectors>(s);
}
template <class T, int Rows, int Vectors>
[[gnu::target("arch=x86-64-v3")]] void add_avx2(const RowSumBatch<T>& s) {
  add_rows<T, 32, Rows, Vectors>(s);
}
#endif
template <class T, int Rows, int Vectors>
void add_base(const RowSumBatch<T>& s) {
  add_rows<T, 16, Rows, Vectors>(s);
}

template <class T, int bytes, int budget, class Make>
RowSums<T> make_table(Make make) {
  RowSums<T> table{lanes_of<T, bytes>, budget, {}};
  constexpr int most_vectors = RowSums<T>::most_vectors;
  [&]<int... i>(std::integer_sequence<int, i...>) {
    const auto fill = [&]<int k>() {
      constexpr int rows = k / most_vectors + 1;
      constexpr int vectors = k % most_vectors + 1;
      if constexpr (rows * vectors <= budget) {
        table.run[rows - 1][vectors - 1] = make.template operator()<rows, vectors>();
      }
    };
    (fill.template operator()<i>(), ...);
  }
  (std::make_integer_sequence<int, RowSums<T>::most_rows * most_vectors>{});
  return table;
}

template <class T>
RowSums<T> choose() {
#if defined(__x86_64__)
  // The sums, the factor and nothing else: 24 + 1 of the 32 registers of AVX-512, 12 + 1 of 16.
  switch (cpu_isa()) {
    case Isa::avx512:
      return make_table<T, 64, 24>([]<int Rows, int Vectors>() { return &add_avx512<T, Rows, Vectors>; });
    case Isa::avx2:
      return make_table<T, 32, 12>([]<int Rows, int Vectors>() { return &add_avx2<T, Rows, Vectors>; });
    case Isa::base:
      break;
  }
#endif
  return make_table<T, 16, 12>([]<int Rows, int Vectors>() { return &add_base<T, Rows, Vectors>; });
}

}  // namespace

template <class T>
const RowSums<T>& row_sums() {
  static const RowSums<T> table = choose<T>();
  return table;
}

template const RowSums<float>& row_sums();
template const RowSums<double>& row_sums();

}  // namespace gnn::kernels
