#include "gnn/kernels/row_sums.h"

#include <utility>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

template <class T, int bytes, int Rows, int Vectors>
[[gnu::always_inline]] inline void add_rows(const RowSum<T>& s) {
  using Vector = typename VectorOf<T, bytes>::type;
  constexpr int lanes = lanes_of<T, bytes>;
  Vector sum[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      sum[r][v] = vector_at<bytes>(s.target + r * s.target_stride + v * lanes);
  }
  const RowTerm<T>* const end = s.terms + s.term_count;
  for (const RowTerm<T>* term = s.terms; term != end; ++term) {
    const Vector factor = term->factor - Vector{};  // in every lane
    const T* row = s.source + term->place * s.step;
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r, row += s.source_stride) {
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sum[r][v] += factor * vector_at<bytes>(row + v * lanes);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      vector_at<bytes>(s.target + r * s.target_stride + v * lanes) = sum[r][v];
  }
}

#if defined(__x86_64__)
template <class T, int Rows, int Vectors>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512")]] void add_avx512(const RowSum<T>& s) {
  add_rows<T, 64, Rows, Vectors>(s);
}
template <class T, int Rows, int Vectors>
[[gnu::target("arch=x86-64-v3")]] void add_avx2(const RowSum<T>& s) {
  add_rows<T, 32, Rows, Vectors>(s);
}
#endif
template <class T, int Rows, int Vectors>
void add_base(const RowSum<T>& s) {
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
