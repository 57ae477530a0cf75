#pragma once

// exp for CPU loops that vectorise. Not installed.

#include <bit>
#include <cmath>
#include <cstdint>

namespace gnn::kernels {

/// exp(x) for every float, to 2 units in the last place: infinity, 0, subnormal results and NaN as in libm,
/// whose exp is a call and keeps a loop from being vectorised.
///
/// exp(x) = 2^n exp(r) with n = round(x / ln 2), |r| <= ln 2 / 2, where the Taylor polynomial of degree 7 is
/// exact to 5e-9, a tenth of a rounding.
inline float fast_exp(float x) {
  // Beyond these the result is 0 or infinity in any case. NaN passes both comparisons.
  x = x < -104.0F ? -104.0F : x;
  x = x > 89.0F ? 89.0F : x;
  constexpr float shift = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, left in the low bits
  const float shifted = x * 1.44269504088896341F + shift;
  const float n = shifted - shift;
  const std::int32_t exponent = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(shift);
  // ln 2 in two parts, the first with enough trailing zeros that n times it is exact.
  const float r = (x - n * 0.693359375F) + n * 2.12194440054690583e-4F;
  float p = 1.0F / 5040.0F;
  p = p * r + 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  // In two factors, so that results near both ends of the range are right.
  const std::int32_t half = exponent >> 1;
  const auto power = [](std::int32_t k) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(k + 127) << 23);
  };
  return p * power(half) * power(exponent - half);
}

inline double fast_exp(double x) {
  return std::exp(x);
}

}  // namespace gnn::kernels
