#include "gnn/kernels/conv2d_window_tile.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "gnn/kernels/conv2d_pool.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

constexpr int max_rows = 6;

/// Act, maximum and choice of one row of windows, from memory: compilers vectorise these comparisons for the
/// caller's instruction set, but cut comparisons of whole vectors to pieces before they are inlined there.
template <class T, int lanes>
[[gnu::always_inline]] inline void pool_row(const WindowTile<T>& t, std::int64_t row,
                                            const T (&z)[4][lanes]) {
  T* y = t.y + row * t.y_stride;
  // Nothing is <= NaN. A flag in the loop would be spread over the lanes bit by bit.
  const T limit = t.relu ? T{0} : std::numeric_limits<T>::quiet_NaN();
  std::int32_t chosen[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    T best = z[0][lane];
    std::int32_t at = 0;
    offer_pixel(z[1][lane], 1, best, at);
    offer_pixel(z[2][lane], 2, best, at);
    offer_pixel(z[3][lane], 3, best, at);
    const bool cut = best <= limit;
    y[lane] = cut ? T{0} : best;
    chosen[lane] = cut ? std::int32_t{pool_no_choice} : at;
  }
  if (t.choice == nullptr) return;
  std::uint8_t* choice = t.choice + row * t.choice_stride;
  for (int lane = 0; lane < lanes; ++lane) choice[lane] = static_cast<std::uint8_t>(chosen[lane]);
}

/// Some terms of the sums of a few channels, and where the sums are kept between blocks of terms.
template <class T>
struct PartialTile {
  WindowTile<T> tile;
  std::int64_t begin, end;  // terms
  T* z;                     // [row][tap][lane]
};

/// z += the terms, `Rows` channels with 4 · Rows sums in registers; begins with the bias.
template <class T, int Rows>
struct MultiplyPart {
  template <int bytes>
  [[gnu::always_inline]] static void run(const PartialTile<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int lanes = lanes_of<T, bytes>;
    const WindowTile<T>& t = part.tile;
    Vector sum[Rows][4] = {};
    for (std::int64_t p = part.begin; p < part.end; ++p) {
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
      const Vector bias = (t.bias == nullptr ? T{0} : t.bias[i]) - Vector{};
#pragma GCC unroll 4
      for (int tap = 0; tap < 4; ++tap) {
        Vector& z = vector_at<bytes>(part.z + (i * 4 + tap) * lanes);
        z = sum[i][tap] + (part.begin == 0 ? bias : z);
      }
    }
  }
};

template <class T>
struct PixelsOfTile {
  const WindowTile<T>& tile;
  const T* z;  // [row][tap][lane]
};

/// Act, maximum and choice of all rows.
template <class T>
struct PoolRows {
  template <int bytes>
  [[gnu::always_inline]] static void run(const PixelsOfTile<T>& pixels) {
    constexpr int lanes = lanes_of<T, bytes>;
    for (std::int64_t i = 0; i < pixels.tile.row_count; ++i) {
      pool_row<T, lanes>(pixels.tile, i, *reinterpret_cast<const T(*)[4][lanes]>(pixels.z + i * 4 * lanes));
    }
  }
};

/// For the widest vectors of this CPU.
template <class T>
struct PoolKernels {
  int lanes;
  int rows;                                         // of the largest
  PartFunction<PartialTile<T>> multiply[max_rows];  // [rows - 1]
  PartFunction<PixelsOfTile<T>> pool;
};

template <class T>
PoolKernels<T> choose() {
  return for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    PoolKernels<T> kernels{};
    kernels.lanes = lanes_of<T, vector_bytes<isa>>;
    kernels.pool = function_for<isa, PoolRows<T>, PixelsOfTile<T>>();
    const auto add = [&](auto rows) {
      kernels.multiply[rows - 1] = function_for<isa, MultiplyPart<T, rows>, PartialTile<T>>();
      kernels.rows = rows;
    };
    // 4 · 6 sums, 4 vectors of the panel and 1 weight fill 29 of the 32 registers of AVX-512; 4 · 2 + 4 + 1
    // fill 13 of the 16 of AVX2.
    add(std::integral_constant<int, 1>{});
    add(std::integral_constant<int, 2>{});
    if constexpr (isa == Isa::avx512) {
      add(std::integral_constant<int, 3>{});
      add(std::integral_constant<int, 4>{});
      add(std::integral_constant<int, 5>{});
      add(std::integral_constant<int, 6>{});
    }
    return kernels;
  });
}

template <class T>
const PoolKernels<T>& pool_kernels() {
  static const PoolKernels<T> kernels = choose<T>();
  return kernels;
}

}  // namespace

template <class T>
std::int64_t window_lanes() {
  return pool_kernels<T>().lanes;
}

template <class T>
void multiply_windows(const WindowTile<T>& tile) {
  // Block of terms by block of terms through some channels: the block's part of the panel and the channels'
  // sums (12 KiB each for 5 x 5 kernels) then stay in the first-level cache.
  constexpr std::int64_t most_channels = 48;
  const PoolKernels<T>& kernels = pool_kernels<T>();
  alignas(64) T pooled[most_channels * 4 * max_window_lanes];
  const std::int64_t parts = (tile.row_count + most_channels - 1) / most_channels;
  for (std::int64_t part = 0; part < parts; ++part) {
    const WindowTile<T> some =
        channels_of(tile, tile.row_count * part / parts, tile.row_count * (part + 1) / parts);
    T* const z = some.pixels == nullptr ? pooled : some.pixels;
    const std::int64_t tiles = (some.row_count + kernels.rows - 1) / kernels.rows;
    for (std::int64_t begin = 0; begin == 0 || begin < some.depth; begin += gemm_depth) {
      for (std::int64_t k = 0; k < tiles; ++k) {  // as equal as possible
        const std::int64_t row = some.row_count * k / tiles;
        const std::int64_t end = some.row_count * (k + 1) / tiles;
        kernels.multiply[end - row - 1]({channels_of(some, row, end), begin,
                                         std::min(some.depth, begin + gemm_depth),
                                         z + row * 4 * kernels.lanes});
      }
    }
    if (some.pixels == nullptr) kernels.pool({some, z});
  }
}

template <class T>
void pool_pixels(const WindowTile<T>& tile, const T* z) {
  pool_kernels<T>().pool({tile, z});
}

template std::int64_t window_lanes<float>();
template std::int64_t window_lanes<double>();
template void multiply_windows(const WindowTile<float>& tile);
template void multiply_windows(const WindowTile<double>& tile);
template void pool_pixels(const WindowTile<float>& tile, const float* z);
template void pool_pixels(const WindowTile<double>& tile, const double* z);

}  // namespace gnn::kernels
