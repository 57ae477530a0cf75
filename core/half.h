#pragma once

#include <bit>
#include <cstdint>

#include "gnn/core/export.h"

namespace gnn {

/// IEEE binary16, for storage: convert to float, compute, convert back. The same bit manipulation runs on
/// both devices; rounding is to nearest even, subnormals and infinities are kept, a NaN stays a (quiet) NaN.
struct Half {
  std::uint16_t bits = 0;

  Half() = default;
  GNN_HD explicit Half(float value) : bits(from_float(value)) {}
  GNN_HD explicit operator float() const { return to_float(bits); }

  GNN_HD static std::uint16_t from_float(float value) {
    const std::uint32_t f = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (f >> 16) & 0x8000u;
    const std::uint32_t magnitude = f & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
    if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // >= 65536 or infinite
    if (magnitude < 0x33000000u) return static_cast<std::uint16_t>(sign);             // < 2^-25: rounds to 0
    std::uint32_t mantissa = magnitude & 0x7fffffu;
    const std::uint32_t exponent = magnitude >> 23;
    std::uint32_t shift = 13;
    std::uint32_t base = 0;
    if (exponent < 113) {  // subnormal in half: shift the implicit one in as well
      mantissa |= 0x800000u;
      shift = 126 - exponent;
    } else {
      base = (exponent - 112) << 10;
    }
    std::uint32_t half = base + (mantissa >> shift);
    const std::uint32_t rest = mantissa & ((1u << shift) - 1u);
    const std::uint32_t tie = 1u << (shift - 1);
    if (rest > tie || (rest == tie && (half & 1u) != 0)) ++half;  // may carry into the exponent, rightly
    return static_cast<std::uint16_t>(sign | half);
  }

  GNN_HD static float to_float(std::uint16_t h) {
    const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
    const std::uint32_t exponent = (h >> 10) & 0x1fu;
    const std::uint32_t mantissa = h & 0x3ffu;
    if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in float
      const float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
      return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
    }
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
};

/// bfloat16 (the upper half of a float), for storage; rounding to nearest even, NaN stays NaN.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  GNN_HD explicit BFloat16(float value) : bits(from_float(value)) {}
  GNN_HD explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

  GNN_HD static std::uint16_t from_float(float value) {
    const std::uint32_t f = std::bit_cast<std::uint32_t>(value);
    if ((f & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((f >> 16) | 0x40u);
    return static_cast<std::uint16_t>((f + 0x7fffu + ((f >> 16) & 1u)) >> 16);
  }
};

}  // namespace gnn
