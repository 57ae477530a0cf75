#include "gnn/kernels/row_sums.h"

#include <array>
#include <utility>

#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

/// Sums that are independent of each other, of which a multiply-add in each of two units every cycle needs
/// about eight to hide its latency of four cycles.
constexpr int wanted_sums = 7;
constexpr int row_chains(int sums) {
  return sums >= wanted_sums ? 1 : sums > 2 ? 2 : 4;
}

template <class T, int Rows, int Vectors>
struct AddRows {
  template <int bytes>
  [[gnu::always_inline]] static void run(const RowSumBatch<T>& batch) {
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
      // The target is read last: the previous item may have just written a part of it, which a load must wait
      // for.
      Vector sum[chains][Rows][Vectors] = {};
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
          vector_at<bytes>(target + r * s.target_stride + v * lanes) += sum[0][r][v];
        }
      }
    }
  }
};

/// Functions for vectors of `bytes` bytes, at most `vectors` to a row, compiled for `isa`.
template <class T, Isa isa, int bytes, int vectors>
RowSums<T> make_table() {
  // The sums, the factor and nothing else: 24 + 1 of the 32 registers of AVX-512, 12 + 1 of 16.
  constexpr int budget = isa == Isa::avx512 ? 24 : 12;
  RowSums<T> table{lanes_of<T, bytes>, budget, {}};
  [&]<int... i>(std::integer_sequence<int, i...>) {
    const auto fill = [&]<int k>() {
      constexpr int row_count = k / vectors + 1;
      constexpr int vector_count = k % vectors + 1;
      if constexpr (row_count * vector_count <= budget) {
        table.run[row_count - 1][vector_count - 1] =
            function_for<isa, AddRows<T, row_count, vector_count>, RowSumBatch<T>, bytes>();
      }
    };
    (fill.template operator()<i>(), ...);
  }
  (std::make_integer_sequence<int, RowSums<T>::most_rows * vectors>{});
  return table;
}

/// Tables from the narrowest vectors to the widest; unused ones have no lanes.
template <class T>
using Tables = std::array<RowSums<T>, 3>;

template <class T>
Tables<T> choose() {
  return for_widest_vectors([](auto constant) -> Tables<T> {
    constexpr Isa isa = decltype(constant)::value;
    constexpr int most = RowSums<T>::most_vectors;
    if constexpr (isa == Isa::avx512) {
      return {make_table<T, isa, 16, 1>(), make_table<T, isa, 32, 1>(), make_table<T, isa, 64, most>()};
    } else if constexpr (isa == Isa::avx2) {
      return {make_table<T, isa, 16, 1>(), make_table<T, isa, 32, most>()};
    } else {
      return {make_table<T, isa, 16, most>()};
    }
  });
}

}  // namespace

template <class T>
const RowSums<T>& row_sums(std::int64_t length) {
  static const Tables<T> tables = choose<T>();
  std::size_t widest = 0;
  while (widest + 1 < tables.size() && tables[widest + 1].lanes > 0 && tables[widest].lanes < length) {
    ++widest;
  }
  return tables[widest];
}

template const RowSums<float>& row_sums(std::int64_t length);
template const RowSums<double>& row_sums(std::int64_t length);

}  // namespace gnn::kernels
