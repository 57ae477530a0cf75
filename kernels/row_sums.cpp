#include "gnn/kernels/row_sums.h"

#include <array>
#include <utility>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

/// Sums that are independent of each other, of which a multiply-add in each of two units every cycle needs
/// about eight to hide its latency of four cycles.
constexpr int wanted_sums = 7;
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

#if defined(__x86_64__)
template <class T, int bytes, int Rows, int Vectors>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512")]] void add_avx512(const RowSumBatch<T>& s) {
  add_rows<T, bytes, Rows, Vectors>(s);
}
template <class T, int bytes, int Rows, int Vectors>
[[gnu::target("arch=x86-64-v3")]] void add_avx2(const RowSumBatch<T>& s) {
  add_rows<T, bytes, Rows, Vectors>(s);
}
#endif
template <class T, int bytes, int Rows, int Vectors>
void add_base(const RowSumBatch<T>& s) {
  add_rows<T, bytes, Rows, Vectors>(s);
}

/// make.operator()<bytes, rows, vectors>() names a function; `vectors` is the most of a row.
template <class T, int bytes, int vectors, class Make>
RowSums<T> make_table(Make make) {
  RowSums<T> table{lanes_of<T, bytes>, Make::most_sums, {}};
  [&]<int... i>(std::integer_sequence<int, i...>) {
    const auto fill = [&]<int k>() {
      constexpr int row_count = k / vectors + 1;
      constexpr int vector_count = k % vectors + 1;
      if constexpr (row_count * vector_count <= Make::most_sums) {
        table.run[row_count - 1][vector_count - 1] =
            make.template operator()<bytes, row_count, vector_count>();
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

// The sums, the factor and nothing else: 24 + 1 of the 32 registers of AVX-512, 12 + 1 of 16.
#if defined(__x86_64__)
template <class T>
struct MakeAvx512 {
  static constexpr int most_sums = 24;
  template <int bytes, int Rows, int Vectors>
  auto operator()() const {
    return &add_avx512<T, bytes, Rows, Vectors>;
  }
};
template <class T>
struct MakeAvx2 {
  static constexpr int most_sums = 12;
  template <int bytes, int Rows, int Vectors>
  auto operator()() const {
    return &add_avx2<T, bytes, Rows, Vectors>;
  }
};
#endif
template <class T>
struct MakeBase {
  static constexpr int most_sums = 12;
  template <int bytes, int Rows, int Vectors>
  auto operator()() const {
    return &add_base<T, bytes, Rows, Vectors>;
  }
};

template <class T>
Tables<T> choose() {
  constexpr int most = RowSums<T>::most_vectors;
#if defined(__x86_64__)
  switch (cpu_isa()) {
    case Isa::avx512:
      return {make_table<T, 16, 1>(MakeAvx512<T>{}), make_table<T, 32, 1>(MakeAvx512<T>{}),
              make_table<T, 64, most>(MakeAvx512<T>{})};
    case Isa::avx2:
      return {make_table<T, 16, 1>(MakeAvx2<T>{}), make_table<T, 32, most>(MakeAvx2<T>{})};
    case Isa::base:
      break;
  }
#endif
  return {make_table<T, 16, most>(MakeBase<T>{})};
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
