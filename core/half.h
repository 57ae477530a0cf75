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
    // Selections instead of branches, so that loops vectorise. Adding 0.5, whose last place is the 2^-24 of
    // subnormal halves, rounds a magnitude below 2^-14 to them; a carry out of the mantissa rightly goes into
    // the exponent.
    const std::uint32_t subnormal =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000u;
    const std::uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    std::uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
    half = magnitude >= 0x47800000u ? 0x7c00u : half;  // 65536 and more
    half = magnitude > 0x7f800000u ? 0x7e00u : half;   // NaN
    return static_cast<std::uint16_t>(sign | half);
  }

  GNN_HD static float to_float(std::uint16_t h) {
    const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
    const std::uint32_t magnitude = h & 0x7fffu;
    // The exponent's bias goes from 15 to 127, its largest value from 31 to 255; subnormals are multiples of
    // 2^-24.
    const std::uint32_t normal = (magnitude << 13) + (112u << 23);
    const auto subnormal =
        std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F);
    std::uint32_t f = magnitude >= 0x7c00u ? normal + (112u << 23) : normal;
    f = magnitude < 0x0400u ? subnormal : f;
    return std::bit_cast<float>(sign | f);
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
