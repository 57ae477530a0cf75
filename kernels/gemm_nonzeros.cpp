#include "gnn/kernels/gemm_nonzeros.h"

#include <algorithm>
#include <utility>

#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/vectors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gnn::kernels {
namespace {

/// Sums of a row at a time: eight hide the latency of multiply-adds.
constexpr int most_vectors = 8;

template <class T>
struct Finite {
  const T* values;
  std::int64_t count;  // whole rows of a panel
  bool* result;
};

template <class T>
struct TermKernels {
  std::int64_t lanes;
  std::int64_t deep_vectors;  // that a panel of gemm_depth rows has
  PartFunction<LeftBlock<T>> list;
  PartFunction<Finite<T>> all_finite;
  PartFunction<TermBlock<T>> run[most_vectors];
};

/// Nothing branches on elements, which are unpredictable.
template <class T>
void list_one_by_one(const LeftBlock<T>& block) {
  const LeftBlock<T> s = block;
  for (std::int64_t i = 0; i < s.rows; ++i) {
    const T* const row = s.a + i * s.a_stride;
    T* const factors = s.lists.factors + i * term_list_size;
    std::int32_t* const places = s.lists.places + i * term_list_size;
    std::int64_t end = 0;
    for (std::int64_t p = 0; p < s.depth; ++p) {
      const T value = row[p];
      factors[end] = value;
      places[end] = static_cast<std::int32_t>(p * s.width);
      end += value != T{0};
    }
    s.lists.counts[i] = static_cast<std::int32_t>(end);
  }
}

#if defined(__x86_64__)
// AVX-512 has an instruction that moves chosen lanes together; nothing but intrinsics reaches it.

[[gnu::target("arch=x86-64-v4,prefer-vector-width=512")]] void list_avx512(const LeftBlock<float>& block) {
  const LeftBlock<float> s = block;
  const __m512i step = _mm512_set1_epi32(static_cast<int>(16 * s.width));
  const __m512i first =
      _mm512_mullo_epi32(_mm512_set1_epi32(static_cast<int>(s.width)),
                         _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  for (std::int64_t i = 0; i < s.rows; ++i) {
    const float* const row = s.a + i * s.a_stride;
    float* const factors = s.lists.factors + i * term_list_size;
    std::int32_t* const places = s.lists.places + i * term_list_size;
    std::int64_t end = 0;
    __m512i place = first;
    for (std::int64_t p = 0; p < s.depth; p += 16) {
      const auto inside = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<unsigned>(s.depth - p)));
      const __m512 values = _mm512_maskz_loadu_ps(inside, row + p);
      const __mmask16 chosen = _mm512_cmp_ps_mask(values, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      _mm512_storeu_ps(factors + end, _mm512_maskz_compress_ps(chosen, values));
      _mm512_storeu_si512(places + end, _mm512_maskz_compress_epi32(chosen, place));
      place = _mm512_add_epi32(place, step);
      end += __builtin_popcount(chosen);
    }
    s.lists.counts[i] = static_cast<std::int32_t>(end);
  }
}
#endif

template <class T>
struct AllFinite {
  template <int bytes>
  [[gnu::always_inline]] static void run(const Finite<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int lanes = lanes_of<T, bytes>;
    constexpr int chains = 4;
    Vector sums[chains] = {};  // of zeros or NaN
    for (std::int64_t i = 0; i < part.count; i += chains * lanes) {
#pragma GCC unroll 4
      for (int k = 0; k < chains; ++k) sums[k] += vector_at<bytes>(part.values + i + k * lanes) * T{0};
    }
    T sum{};
    const Vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (int k = 0; k < lanes; ++k) sum += all[k];
    *part.result = sum == T{0};
  }
};

template <class T, int Vectors>
struct MultiplyTerms {
  template <int bytes>
  [[gnu::always_inline]] static void run(const TermBlock<T>& block) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int lanes = lanes_of<T, bytes>;
    const TermBlock<T> s = block;
    const std::int64_t last = s.columns - (Vectors - 1) * lanes;  // columns of the last vector
    for (std::int64_t i = 0; i < s.row_count; ++i) {
      const T* const factors = s.lists.factors + i * term_list_size;
      const std::int32_t* const places = s.lists.places + i * term_list_size;
      const std::int64_t count = s.lists.counts[i];
      Vector sum[Vectors] = {};
      for (std::int64_t t = 0; t < count; ++t) {
        const Vector factor = factors[t] - Vector{};  // in every lane
        const T* const row = s.b + places[t];
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) sum[v] += factor * vector_at<bytes>(row + v * lanes);
      }
      T* const c = s.c + i * s.c_stride;
      const T* const start = s.start == nullptr ? nullptr : s.start + i * s.start_stride;
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
        Vector result = sum[v] + Vector{};  // as multiply_block() does: no negative zero
        if (v < Vectors - 1 || last == lanes) {
          if (start != nullptr) result += vector_at<bytes>(start + v * lanes);
          vector_at<bytes>(c + v * lanes) = result;
        } else {
          for (std::int64_t j = 0; j < last; ++j) {
            c[v * lanes + j] = start == nullptr ? result[j] : result[j] + start[v * lanes + j];
          }
        }
      }
    }
  }
};

template <class T, Isa isa>
PartFunction<LeftBlock<T>> list_function() {
#if defined(__x86_64__)
  if constexpr (isa == Isa::avx512 && sizeof(T) == sizeof(float)) return &list_avx512;
#endif
  return &list_one_by_one<T>;
}

template <class T>
TermKernels<T> choose_kernels() {
  return for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    TermKernels<T> kernels{lanes_of<T, vector_bytes<isa>>,
                           isa == Isa::avx512 ? 4 : 8,
                           list_function<T, isa>(),
                           function_for<isa, AllFinite<T>, Finite<T>>(),
                           {}};
    [&]<int... v>(std::integer_sequence<int, v...>) {
      ((kernels.run[v] = function_for<isa, MultiplyTerms<T, v + 1>, TermBlock<T>>()), ...);
    }
    (std::make_integer_sequence<int, most_vectors>{});
    return kernels;
  });
}

template <class T>
const TermKernels<T>& term_kernels() {
  static const TermKernels<T> kernels = choose_kernels<T>();
  return kernels;
}

}  // namespace

template <class T>
void list_nonzeros(const LeftBlock<T>& block) {
  term_kernels<T>().list(block);
}

template <class T>
void list_all(const LeftBlock<T>& block) {
  for (std::int64_t i = 0; i < block.rows; ++i) {
    for (std::int64_t p = 0; p < block.depth; ++p) {
      block.lists.factors[i * term_list_size + p] = block.a[i * block.a_stride + p];
      block.lists.places[i * term_list_size + p] = static_cast<std::int32_t>(p * block.width);
    }
    block.lists.counts[i] = static_cast<std::int32_t>(block.depth);
  }
}

template <class T>
bool all_finite(const T* panel, std::int64_t count) {
  bool result = false;
  term_kernels<T>().all_finite({panel, count, &result});
  return result;
}

template <class T>
std::int64_t term_panel_columns(std::int64_t depth) {
  const TermKernels<T>& kernels = term_kernels<T>();
  return kernels.lanes * (2 * depth <= gemm_depth ? most_vectors : kernels.deep_vectors);
}

template <class T>
void multiply_terms(const TermBlock<T>& block) {
  const TermKernels<T>& kernels = term_kernels<T>();
  kernels.run[(block.columns - 1) / kernels.lanes](block);
}

template <class T>
bool has_many_zeros(const GemmCall<T>& call) {
  // In time of a full product: the terms that are left, which are read from the cache for every row; listing
  // them; and packing the right matrix across its rows, which a product that is turned over need not do.
  const double overhead =
      0.2 + 12 / static_cast<double>(call.n) + (call.b.transposed ? 8.0 : 2.0) / static_cast<double>(call.m);
  constexpr double most = 0.9;
  if (overhead >= most || call.k < 16) return false;

  constexpr std::int64_t most_rows = 16;
  constexpr std::int64_t most_length = 512;
  const std::int64_t all_rows = call.a.transposed ? call.k : call.m;  // as they are stored
  const std::int64_t all_length = call.a.transposed ? call.m : call.k;
  const std::int64_t rows = std::min(most_rows, all_rows);
  const std::int64_t length = std::min(most_length, all_length);
  std::int64_t nonzeros = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = call.a.data + call.batch * r / rows * call.a_step + all_rows * r / rows * call.a.stride +
                   (all_length - length) * r / rows;
    std::int32_t count = 0;
    for (std::int64_t i = 0; i < length; ++i) count += row[i] != T{0};
    nonzeros += count;
  }
  return static_cast<double>(nonzeros) / static_cast<double>(rows * length) + overhead < most;
}

template void list_nonzeros(const LeftBlock<float>& block);
template void list_nonzeros(const LeftBlock<double>& block);
template void list_all(const LeftBlock<float>& block);
template void list_all(const LeftBlock<double>& block);
template bool all_finite(const float* panel, std::int64_t count);
template bool all_finite(const double* panel, std::int64_t count);
template std::int64_t term_panel_columns<float>(std::int64_t depth);
template std::int64_t term_panel_columns<double>(std::int64_t depth);
template void multiply_terms(const TermBlock<float>& block);
template void multiply_terms(const TermBlock<double>& block);
template bool has_many_zeros(const GemmCall<float>& call);
template bool has_many_zeros(const GemmCall<double>& call);

}  // namespace gnn::kernels
