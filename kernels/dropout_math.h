#pragma once

#include <cmath>
#include <cstdint>

#include "gnn/core/philox.h"

namespace gnn::kernels {

/// Dropout of the four elements that one Philox block decides.
template <class T>
struct DropoutMask {
  std::uint64_t seed, offset;
  std::uint32_t last_dropped;  ///< words up to this one drop their element
  bool any;                    ///< false: p is 0
  T scale;

  DropoutMask(std::uint64_t generator_seed, std::uint64_t generator_offset, double p)
      : seed(generator_seed),
        offset(generator_offset),
        last_dropped(p > 0 ? static_cast<std::uint32_t>(std::ceil(p * 0x1p32) - 1) : 0),
        any(p > 0),
        scale(static_cast<T>(1 / (1 - p))) {}

  GNN_HD PhiloxBlock words(std::int64_t block) const {
    return philox_block(seed, offset + static_cast<std::uint64_t>(block));
  }
  GNN_HD T apply(std::uint32_t word, T x) const {
    const bool dropped = static_cast<bool>(static_cast<int>(any) & static_cast<int>(word <= last_dropped));
    return dropped ? T(0) : x * scale;
  }
};

}  // namespace gnn::kernels
