#pragma once

#include <cstdint>

#include "gnn/core/philox.h"

// Philox on the CPU: several blocks side by side, word by word, in loops that compilers vectorise. Not
// installed.

namespace gnn::kernels {

inline constexpr int philox_lane_count = 16;

/// Consecutive blocks: word[j][lane] is word j of block `lane`.
struct PhiloxLanes {
  alignas(64) std::uint32_t word[4][philox_lane_count];

  PhiloxBlock block(int lane) const { return {{word[0][lane], word[1][lane], word[2][lane], word[3][lane]}}; }
};

/// Blocks `offset`, `offset` + 1 … under `seed`: the same numbers as philox_block().
inline void philox_lanes(std::uint64_t seed, std::uint64_t offset, PhiloxLanes& lanes) {
  auto& c = lanes.word;
  for (int i = 0; i < philox_lane_count; ++i) {
    const std::uint64_t counter = offset + static_cast<std::uint64_t>(i);
    c[0][i] = static_cast<std::uint32_t>(counter);
    c[1][i] = static_cast<std::uint32_t>(counter >> 32);
    c[2][i] = 0;
    c[3][i] = 0;
  }
  auto key0 = static_cast<std::uint32_t>(seed);
  auto key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < philox_lane_count; ++i) {
      const PhiloxBlock next = philox_round(lanes.block(i), key0, key1);
      for (int j = 0; j < 4; ++j) c[j][i] = next.word[j];
    }
    key0 += philox_key_step0;
    key1 += philox_key_step1;
  }
}

}  // namespace gnn::kernels
