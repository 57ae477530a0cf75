#pragma once

// Sine and cosine for loops that vectorise on the CPU. Not installed.

#include <cmath>
#include <cstdint>

#include "gnn/core/export.h"

namespace gnn::kernels {

/// Up to here fast_sin() and fast_cos() are right; beyond, and for what is not finite, libm's are called.
inline constexpr float sincos_limit = 1048576.0F;  // 2^20

/// x = quarter · pi / 2 + r with |r| <= pi / 4; r in float64, so that it keeps its digits next to multiples
/// of pi / 2, and pi / 2 in two parts, the first with enough trailing zeros that its multiples are exact.
struct QuarterTurns {
  std::int32_t quarter;
  float r;
};
inline QuarterTurns split_turns(float x) {
  constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  const auto wide = static_cast<double>(x);
  const double n = (wide * 0.63661977236758134308 + shift) - shift;
  const double r = (wide - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;
  return {static_cast<std::int32_t>(n), static_cast<float>(r)};
}

/// Taylor's series, of which the first terms left out are below a tenth of a rounding.
inline float sin_or_cos(std::int32_t quarter, float r) {
  const float z = r * r;
  float s = 1.0F / 362880.0F;
  s = s * z - 1.0F / 5040.0F;
  s = s * z + 1.0F / 120.0F;
  s = s * z - 1.0F / 6.0F;
  const float sine = r + r * (z * s);
  float c = -1.0F / 3628800.0F;
  c = c * z + 1.0F / 40320.0F;
  c = c * z - 1.0F / 720.0F;
  c = c * z + 1.0F / 24.0F;
  c = c * z - 0.5F;
  const float cosine = 1.0F + z * c;
  const float value = (quarter & 1) != 0 ? cosine : sine;
  return (quarter & 2) != 0 ? -value : value;
}

/// sin(x) and cos(x) for |x| <= sincos_limit, to 2 units in the last place.
inline float fast_sin(float x) {
  const QuarterTurns turns = split_turns(x);
  return sin_or_cos(turns.quarter, turns.r);
}
inline float fast_cos(float x) {
  const QuarterTurns turns = split_turns(x);
  return sin_or_cos(turns.quarter + 1, turns.r);
}

}  // namespace gnn::kernels
