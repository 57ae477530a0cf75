#pragma once

// exp and its relatives for loops that vectorise on the CPU. Not installed.

#include <bit>
#include <cmath>
#include <cstdint>

#include "gnn/core/export.h"

namespace gnn::kernels {

/// exp(x) = 2^exponent exp(r) with |r| <= ln 2 / 2, and exp(r) = 1 + r + r^2 p, which is the Taylor
/// polynomial of degree 7. For |x| up to 120. `low`, up to 0.05, is added to x where it is exact.
struct ExpParts {
  std::int32_t exponent;
  float r;
  float p;
};
inline ExpParts split_exp(float x, float low = 0.0F) {
  constexpr float shift = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, left in the low bits
  const float shifted = x * 1.44269504088896341F + shift;
  const float n = shifted - shift;
  // ln 2 in two parts, the first with enough trailing zeros that n times it is exact.
  const float r = (x - n * 0.693359375F) + n * 2.12194440054690583e-4F + low;
  float p = 1.0F / 5040.0F;
  p = p * r + 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  return {std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(shift), r, p};
}

/// 2^n for -126 <= n <= 127.
inline float power_of_two(std::int32_t n) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(n + 127) << 23);
}

/// x 2^n for -252 <= n <= 254, in two factors: results near both ends of the range are right.
inline float times_power_of_two(float x, std::int32_t n) {
  const std::int32_t half = n >> 1;
  return x * power_of_two(half) * power_of_two(n - half);
}

inline float exp_of_parts(const ExpParts& parts) {
  return times_power_of_two((parts.p * parts.r + 1.0F) * parts.r + 1.0F, parts.exponent);
}

/// exp(x) for every float, to 2 units in the last place: infinity, 0, subnormal results and NaN as in libm,
/// whose exp is a call and keeps a loop from being vectorised.
///
/// exp(x) = 2^n exp(r) with n = round(x / ln 2), |r| <= ln 2 / 2, where the Taylor polynomial of degree 7 is
/// exact to 5e-9, a tenth of a rounding.
inline float fast_exp(float x) {
  // Beyond these the result is 0 or infinity in any case. NaN passes both comparisons.
  x = x < -104.0F ? -104.0F : x;
  x = x > 89.0F ? 89.0F : x;
  return exp_of_parts(split_exp(x));
}

/// exp(x) - 1 for every float, to 3 units in the last place of the result also next to 0. As fast_exp(), with
/// the polynomial's 1 left out: 2^n ((exp(r) - 1) + (1 - 2^-n)).
inline float fast_expm1(float x) {
  x = x < -30.0F ? -30.0F : x;  // where the result is -1
  x = x > 89.0F ? 89.0F : x;    // and infinity
  const ExpParts parts = split_exp(x);
  const float p = parts.p * parts.r * parts.r + parts.r;
  const std::int32_t seen = parts.exponent > 64 ? 64 : parts.exponent;  // 1 - 2^-64 is 1
  return times_power_of_two(p + (1.0F - power_of_two(-seen)), parts.exponent);
}

/// log(1 + u) for 0 <= u <= 1, to 2 units in the last place: 2 artanh(s) with s = u / (2 + u) <= 1/3, whose
/// series is cut after s^15 / 15, an error of 5e-9 of the result.
inline float fast_log1p_of_fraction(float u) {
  const float s = u / (2.0F + u);
  const float z = s * s;
  float p = 1.0F / 15.0F;
  p = p * z + 1.0F / 13.0F;
  p = p * z + 1.0F / 11.0F;
  p = p * z + 1.0F / 9.0F;
  p = p * z + 1.0F / 7.0F;
  p = p * z + 1.0F / 5.0F;
  p = p * z + 1.0F / 3.0F;
  return 2.0F * s * (p * z) + 2.0F * s;
}

inline double fast_exp(double x) {
  return std::exp(x);
}
inline double fast_expm1(double x) {
  return std::expm1(x);
}
inline double fast_log1p_of_fraction(double u) {
  return std::log1p(u);
}

// For maths that both back ends share: the GPU's own functions there, the ones above on the host.
#if defined(__CUDA_ARCH__)
template <class T>
GNN_HD T exp_of(T x) {
  return std::exp(x);
}
template <class T>
GNN_HD T expm1_of(T x) {
  return std::expm1(x);
}
template <class T>
GNN_HD T log1p_of_fraction(T u) {
  return std::log1p(u);
}
template <class T>
GNN_HD T tanh_of(T x) {
  return std::tanh(x);
}
#else
template <class T>
GNN_HD T exp_of(T x) {
  return fast_exp(x);
}
template <class T>
GNN_HD T expm1_of(T x) {
  return fast_expm1(x);
}
template <class T>
GNN_HD T log1p_of_fraction(T u) {
  return fast_log1p_of_fraction(u);
}
/// tanh |x| = -e / (2 + e) with e = exp(-2 |x|) - 1, which loses no digits next to 0.
template <class T>
GNN_HD T tanh_of(T x) {
  const T e = fast_expm1(T(-2) * std::fabs(x));
  return std::copysign(-e / (T(2) + e), x);
}
#endif

}  // namespace gnn::kernels
