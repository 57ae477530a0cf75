#pragma once

// One element to another element type: the rule that fill, copy and their tests share.

#include <cstdint>
#include <limits>
#include <type_traits>

#include "gnn/core/half.h"

namespace gnn::kernels {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

/// `value` as a To. Between floating types it is rounded to nearest even (a double goes to a half type by way
/// of float, so it is rounded twice, as in PyTorch). A floating value becomes an integer by truncation
/// towards zero, saturated to the type's range, NaN becomes 0: C++ leaves these undefined and the two devices
/// would differ. Integers become narrower ones modulo 2^bits.
template <class To, class From>
GNN_HD inline To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (is_half<From>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (is_half<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // max() + 1 is a power of two and exact in any floating type, unlike max() itself.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From end = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From{2};
    if (!(value > low)) return value == value ? std::numeric_limits<To>::min() : To{0};
    if (value >= end) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace gnn::kernels
