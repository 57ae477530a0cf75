#pragma once

// Logarithms for loops that vectorise on the CPU. Not installed.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "gnn/core/export.h"

namespace gnn::kernels {

/// log(x) for every float, to 2 units in the last place: -infinity for 0, NaN below, infinity and NaN as in
/// libm.
///
/// x = m 2^e with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh(s) with s = (m - 1) / (m + 1) <= 0.172,
/// whose series is cut after s^11 / 11, an error of 5e-11 of the result.
inline float fast_log(float x) {
  constexpr std::uint32_t sqrt_half = 0x3f3504f3;
  const bool subnormal = x < std::numeric_limits<float>::min();
  const float normal = subnormal ? x * 8388608.0F : x;  // 2^23
  const auto bits = std::bit_cast<std::uint32_t>(normal);
  const std::int32_t exponent = static_cast<std::int32_t>(bits - sqrt_half) >> 23;
  const auto m = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(exponent) << 23));
  const float e = static_cast<float>(exponent) - (subnormal ? 23.0F : 0.0F);
  const float s = (m - 1.0F) / (m + 1.0F);
  const float z = s * s;
  float p = 1.0F / 11.0F;
  p = p * z + 1.0F / 9.0F;
  p = p * z + 1.0F / 7.0F;
  p = p * z + 1.0F / 5.0F;
  p = p * z + 1.0F / 3.0F;
  // ln 2 in two parts, the first with enough trailing zeros that e times it is exact.
  const float low = 2.0F * s * (p * z) + e * -2.12194440054690583e-4F;
  float result = e * 0.693359375F + (2.0F * s + low);
  result = x < 0.0F ? std::numeric_limits<float>::quiet_NaN() : result;
  result = x == 0.0F ? -std::numeric_limits<float>::infinity() : result;
  return x <= std::numeric_limits<float>::max() ? result : x;  // infinity and NaN
}

/// log(1 + x) for every float, to 3 units in the last place also next to 0: log(u) of the rounded sum
/// u = 1 + x, and what was rounded off, divided by u.
inline float fast_log1p(float x) {
  const float u = 1.0F + x;
  const float rounded_off = x - (u - 1.0F);
  const float correction = rounded_off / u;
  const bool usable = u > 0.0F && u <= std::numeric_limits<float>::max();
  return fast_log(u) + (usable ? correction : 0.0F);
}

inline double fast_log(double x) {
  return std::log(x);
}
inline double fast_log1p(double x) {
  return std::log1p(x);
}

// For maths that both back ends share: the GPU's own functions there, the ones above on the host.
#if defined(__CUDA_ARCH__)
template <class T>
GNN_HD T log_of(T x) {
  return std::log(x);
}
template <class T>
GNN_HD T log1p_of(T x) {
  return std::log1p(x);
}
#else
template <class T>
GNN_HD T log_of(T x) {
  return fast_log(x);
}
template <class T>
GNN_HD T log1p_of(T x) {
  return fast_log1p(x);
}
#endif

}  // namespace gnn::kernels
