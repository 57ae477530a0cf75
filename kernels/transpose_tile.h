#pragma once

#include <cstdint>

#include "gnn/kernels/vectors.h"

namespace gnn::kernels {

/// out[j * out_stride + i] = in[i * in_stride + j] for i < rows, j < columns, in blocks of 4 x 4 that are
/// turned in registers; f(value) changes elements, or vectors of four, on the way. For the CPU's loops,
/// inside those that run_simd compiles. Not installed.
template <class T, class F>
[[gnu::always_inline]] inline void transpose_into(const T* in, std::int64_t in_stride, std::int64_t rows,
                                                  std::int64_t columns, T* out, std::int64_t out_stride,
                                                  F f) {
  constexpr int bytes = 4 * static_cast<int>(sizeof(T));
  using Vector = typename VectorOf<T, bytes>::type;
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const T* source = in + i * in_stride;
    std::int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
      Vector r0 = vector_at<bytes>(source + j);
      f(r0);
      Vector r1 = vector_at<bytes>(source + in_stride + j);
      f(r1);
      Vector r2 = vector_at<bytes>(source + 2 * in_stride + j);
      f(r2);
      Vector r3 = vector_at<bytes>(source + 3 * in_stride + j);
      f(r3);
      const Vector low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
      const Vector low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
      const Vector high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
      const Vector high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
      T* target = out + j * out_stride + i;
      vector_at<bytes>(target) = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
      vector_at<bytes>(target + out_stride) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
      vector_at<bytes>(target + 2 * out_stride) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
      vector_at<bytes>(target + 3 * out_stride) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
    }
    for (; j < columns; ++j) {
      for (std::int64_t k = 0; k < 4; ++k) {
        T value = source[k * in_stride + j];
        f(value);
        out[j * out_stride + i + k] = value;
      }
    }
  }
  for (; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      T value = in[i * in_stride + j];
      f(value);
      out[j * out_stride + i] = value;
    }
  }
}

template <class T>
[[gnu::always_inline]] inline void transpose_into(const T* in, std::int64_t in_stride, std::int64_t rows,
                                                  std::int64_t columns, T* out, std::int64_t out_stride) {
  transpose_into(in, in_stride, rows, columns, out, out_stride, [](auto&) {});
}

}  // namespace gnn::kernels
