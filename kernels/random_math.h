#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "gnn/core/export.h"
#include "gnn/core/philox.h"

// From random words to numbers, for both devices. Both must get the same bits, so nothing here is left to a
// maths library or to the compiler's choice to contract: logarithm, sine and cosine are made of additions,
// products, divisions, square roots and explicit fma, all of which IEEE 754 rounds in one way only.

namespace gnn::kernels {

/// Numbers of type T made from one Philox block.
template <class T>
inline constexpr int draws_per_block = 16 / static_cast<int>(sizeof(T));

/// Number `i` of the block, uniform in [0, 1).
template <class T>
GNN_HD inline T unit_uniform(const PhiloxBlock& block, int i) {
  if constexpr (std::is_same_v<T, float>) {
    return uniform_float(block.word[i]);
  } else {
    return uniform_double(block.word[2 * i], block.word[2 * i + 1]);
  }
}

/// Number `i` of the block, uniform in (0, 1]: what a logarithm can take. A float uses all 32 bits for the
/// sake of the normal distribution's tail.
template <class T>
GNN_HD inline T positive_uniform(const PhiloxBlock& block, int i) {
  if constexpr (std::is_same_v<T, float>) {
    return std::fma(static_cast<float>(block.word[i]), 0x1p-32F, 0x1p-33F);
  } else {
    return 1.0 - uniform_double(block.word[2 * i], block.word[2 * i + 1]);
  }
}

// Series are recursive templates rather than loops: the loops over numbers around them are vectorised then.

/// sum over i >= 0 of z^i / (2 (k + i) + 1), up to k + i = terms.
template <class T, int k, int terms>
GNN_HD inline T artanh_series(T z) {
  if constexpr (k == terms) {
    return T(1) / T(2 * k + 1);
  } else {
    return std::fma(artanh_series<T, k + 1, terms>(z), z, T(1) / T(2 * k + 1));
  }
}

/// Taylor's series of cos x (shift 0) and sin(x) / x (shift 1) in z = x^2, from the k-th factor on:
/// 1 - z / ((2k - 1 + shift) (2k + shift)) (1 - …).
template <class T, int k, int terms, int shift>
GNN_HD inline T sincos_series(T z) {
  if constexpr (k > terms) {
    return T(1);
  } else {
    constexpr T factor = T(1) / T((2 * k - 1 + shift) * (2 * k + shift));
    return std::fma(-(z * factor), sincos_series<T, k + 1, terms, shift>(z), T(1));
  }
}

/// Natural logarithm of a normal number x > 0: x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 artanh s
/// with s = (m - 1) / (m + 1) by its series, of which the first term left out is below half a unit in the
/// last place.
template <class T>
GNN_HD inline T portable_log(T x) {
  using Bits = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
  constexpr int mantissa = std::is_same_v<T, float> ? 23 : 52;
  constexpr int terms = std::is_same_v<T, float> ? 5 : 11;
  constexpr Bits sqrt_half =
      std::is_same_v<T, float> ? static_cast<Bits>(0x3f3504f3) : static_cast<Bits>(0x3fe6a09e667f3bcd);
  const Bits bits = std::bit_cast<Bits>(x);
  const Bits exponent = (bits - sqrt_half) >> mantissa;
  const T m = std::bit_cast<T>(bits - exponent * (Bits{1} << mantissa));
  const T s = (m - T(1)) / (m + T(1));
  return std::fma(static_cast<T>(exponent), T(0.693147180559945309417),
                  T(2) * s * artanh_series<T, 0, terms>(s * s));
}

template <class T>
struct SinCos {
  T sin, cos;
};

/// Sine and cosine of 2 pi u for u in [0, 1): reduced exactly to an eighth of a turn around a multiple of a
/// quarter, then Taylor's series, of which the first term left out is below half a unit in the last place.
template <class T>
GNN_HD inline SinCos<T> portable_sincos_turns(T u) {
  constexpr int terms = std::is_same_v<T, float> ? 5 : 9;
  const auto quarter = static_cast<std::int32_t>(std::fma(T(4), u, T(0.5)));
  const T angle = std::fma(T(4), u, -static_cast<T>(quarter)) * T(1.57079632679489661923);
  const T z = angle * angle;
  const T sine = angle * sincos_series<T, 1, terms, 1>(z);
  const T cosine = sincos_series<T, 1, terms, 0>(z);
  const bool odd = (quarter & 1) != 0;
  const T first = odd ? cosine : sine;
  const T second = odd ? sine : cosine;
  return {(quarter & 2) != 0 ? -first : first, ((quarter + 1) & 2) != 0 ? -second : second};
}

/// Uniform in [low, high): the one number in 2^24 or so that rounds up to `high` becomes `low`.
template <class T>
struct UniformDraw {
  T low, high, range;
  GNN_HD T number(const PhiloxBlock& block, int i) const {
    const T value = std::fma(unit_uniform<T>(block, i), range, low);
    return value < high ? value : low;
  }
  GNN_HD void operator()(const PhiloxBlock& block, T* out) const {
    out[0] = number(block, 0);
    out[1] = number(block, 1);
    if constexpr (draws_per_block<T> == 4) {
      out[2] = number(block, 2);
      out[3] = number(block, 3);
    }
  }
};

/// Normal by the method of Box and Muller (1958): two uniforms u, v give r cos(2 pi v), r sin(2 pi v) with
/// r = sqrt(-2 log u).
template <class T>
struct NormalDraw {
  T mean, std;
  GNN_HD void pair(const PhiloxBlock& block, int i, T* out) const {
    const T radius = std::sqrt(T(-2) * portable_log(positive_uniform<T>(block, i)));
    const SinCos<T> turn = portable_sincos_turns(unit_uniform<T>(block, i + 1));
    out[i] = std::fma(std, radius * turn.cos, mean);
    out[i + 1] = std::fma(std, radius * turn.sin, mean);
  }
  GNN_HD void operator()(const PhiloxBlock& block, T* out) const {
    pair(block, 0, out);
    if constexpr (draws_per_block<T> == 4) pair(block, 2, out);
  }
};

/// The words themselves.
struct BitsDraw {
  GNN_HD void operator()(const PhiloxBlock& block, std::int32_t* out) const {
    out[0] = static_cast<std::int32_t>(block.word[0]);
    out[1] = static_cast<std::int32_t>(block.word[1]);
    out[2] = static_cast<std::int32_t>(block.word[2]);
    out[3] = static_cast<std::int32_t>(block.word[3]);
  }
};

}  // namespace gnn::kernels
