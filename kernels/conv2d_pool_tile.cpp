#include "gnn/kernels/conv2d_pool_tile.h"

#include <algorithm>
#include <utility>

#include "gnn/kernels/conv2d_pool.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

constexpr int max_rows = 6;

/// Act, maximum and choice of one row of windows, from memory: compilers vectorise these comparisons for the
/// caller's instruction set, but cut comparisons of whole vectors to pieces before they are inlined there.
template <class T, int lanes>
[[gnu::always_inline]] inline void pool_row(const PoolTile<T>& t, std::int64_t row, const T (&z)[4][lanes]) {
  T* y = t.y + row * t.y_stride;
  std::int32_t chosen[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    T best = z[0][lane];
    std::int32_t at = 0;
    offer_pixel(z[1][lane], 1, best, at);
    offer_pixel(z[2][lane], 2, best, at);
    offer_pixel(z[3][lane], 3, best, at);
    const bool cut = t.relu && best <= T{0};
    y[lane] = cut ? T{0} : best;
    chosen[lane] = cut ? std::int32_t{pool_no_choice} : at;
  }
  if (t.choice == nullptr) return;
  std::uint8_t* choice = t.choice + row * t.choice_stride;
  for (int lane = 0; lane < lanes; ++lane) choice[lane] = static_cast<std::uint8_t>(chosen[lane]);
}

/// `Rows` channels, their sums in 4 · Rows registers.
template <class T, int bytes, int Rows>
[[gnu::always_inline]] inline void pool_tile(const PoolTile<T>& t) {
  using Vector = typename VectorOf<T, bytes>::type;
  Vector z[Rows][4];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int tap = 0; tap < 4; ++tap) z[i][tap] = (t.bias == nullptr ? T{0} : t.bias[i]) - Vector{};
  }
  for (std::int64_t begin = 0; begin < t.depth; begin += gemm_depth) {
    const std::int64_t end = std::min(t.depth, begin + gemm_depth);
    Vector sum[Rows][4] = {};
    for (std::int64_t p = begin; p < end; ++p) {
      const T* right = t.panel + t.offsets[p];
      const Vector r0 = vector_at<bytes>(right);
      const Vector r1 = vector_at<bytes>(right + t.tap_offset[1]);
      const Vector r2 = vector_at<bytes>(right + t.tap_offset[2]);
      const Vector r3 = vector_at<bytes>(right + t.tap_offset[3]);
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) {
        const Vector left = t.weight[i * t.weight_stride + p] - Vector{};  // in every lane
        sum[i][0] += left * r0;
        sum[i][1] += left * r1;
        sum[i][2] += left * r2;
        sum[i][3] += left * r3;
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
      for (int tap = 0; tap < 4; ++tap) z[i][tap] += sum[i][tap];
    }
  }
  constexpr int lanes = lanes_of<T, bytes>;
  for (int i = 0; i < Rows; ++i) {
    alignas(bytes) T windows[4][lanes];
    for (int tap = 0; tap < 4; ++tap) vector_at<bytes>(windows[tap]) = z[i][tap];
    pool_row<T, lanes>(t, i, windows);
  }
}

template <class T>
using PoolFunction = void (*)(const PoolTile<T>&);

/// [rows - 1], for the widest vectors of this CPU.
template <class T>
struct PoolKernels {
  int lanes;
  int rows;  // of the largest
  PoolFunction<T> run[max_rows];
};

#if defined(__x86_64__)
template <class T, int Rows>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512")]] void pool_avx512(const PoolTile<T>& t) {
  pool_tile<T, 64, Rows>(t);
}
template <class T, int Rows>
[[gnu::target("arch=x86-64-v3")]] void pool_avx2(const PoolTile<T>& t) {
  pool_tile<T, 32, Rows>(t);
}
#endif
template <class T, int Rows>
void pool_base(const PoolTile<T>& t) {
  pool_tile<T, 16, Rows>(t);
}

template <class T>
PoolKernels<T> choose() {
#if defined(__x86_64__)
  // 4 · 6 sums, 4 vectors of the panel and 1 weight fill 29 of the 32 registers of AVX-512; 4 · 2 + 4 + 1
  // fill 13 of the 16 of AVX2.
  switch (cpu_isa()) {
    case Isa::avx512:
      return {lanes_of<T, 64>,
              6,
              {&pool_avx512<T, 1>, &pool_avx512<T, 2>, &pool_avx512<T, 3>, &pool_avx512<T, 4>,
               &pool_avx512<T, 5>, &pool_avx512<T, 6>}};
    case Isa::avx2:
      return {lanes_of<T, 32>, 2, {&pool_avx2<T, 1>, &pool_avx2<T, 2>}};
    case Isa::base:
      break;
  }
#endif
  return {lanes_of<T, 16>, 2, {&pool_base<T, 1>, &pool_base<T, 2>}};
}

template <class T>
const PoolKernels<T>& pool_kernels() {
  static const PoolKernels<T> kernels = choose<T>();
  return kernels;
}

}  // namespace

template <class T>
std::int64_t pool_lanes() {
  return pool_kernels<T>().lanes;
}

template <class T>
void multiply_and_pool(const PoolTile<T>& tile) {
  const PoolKernels<T>& kernels = pool_kernels<T>();
  const std::int64_t tiles = (tile.row_count + kernels.rows - 1) / kernels.rows;
  for (std::int64_t k = 0; k < tiles; ++k) {  // as equal as possible
    const std::int64_t begin = tile.row_count * k / tiles;
    PoolTile<T> t = tile;
    t.row_count = tile.row_count * (k + 1) / tiles - begin;
    t.weight += begin * t.weight_stride;
    if (t.bias != nullptr) t.bias += begin;
    t.y += begin * t.y_stride;
    if (t.choice != nullptr) t.choice += begin * t.choice_stride;
    kernels.run[t.row_count - 1](t);
  }
}

template std::int64_t pool_lanes<float>();
template std::int64_t pool_lanes<double>();
template void multiply_and_pool(const PoolTile<float>& tile);
template void multiply_and_pool(const PoolTile<double>& tile);

}  // namespace gnn::kernels
