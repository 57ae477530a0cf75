#pragma once

#include <cstdint>

#include "gnn/core/export.h"

// Philox4x32-10, the counter-based random number generator of Salmon, Moraes, Dror and Shaw, "Parallel Random
// Numbers: As Easy as 1, 2, 3" (SC 2011): ten rounds of multiply and xor turn a 128-bit counter and a 64-bit
// key into four independent 32-bit words. There is no state to carry from one number to the next, so element
// i of a tensor gets the same number from any thread, block or device.
//
// libgnn's use of the counter:
//   key            the seed
//   lower 64 bits  the generator's offset + the number of the block of four words within the use
//   upper 64 bits  the sequence: 0 for Generator; permutation() counts down from 2^64 - 1
// A float takes one word of a block, a double two, in order: float i of a use is word i % 4 of block
// offset + i / 4; double i is words 2 (i % 2) and 2 (i % 2) + 1 of block offset + i / 2.

namespace gnn {

/// Four 32-bit words: a counter or a block of random numbers, least significant first.
struct PhiloxBlock {
  std::uint32_t word[4];
};

/// What the key's words grow by from round to round: the golden ratio and sqrt(3) - 1, times 2^32.
inline constexpr std::uint32_t philox_key_step0 = 0x9E3779B9u;
inline constexpr std::uint32_t philox_key_step1 = 0xBB67AE85u;

/// One of the ten rounds.
GNN_HD constexpr PhiloxBlock philox_round(PhiloxBlock c, std::uint32_t key0, std::uint32_t key1) {
  const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * c.word[0];
  const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * c.word[2];
  return {
      {static_cast<std::uint32_t>(product1 >> 32) ^ c.word[1] ^ key0, static_cast<std::uint32_t>(product1),
       static_cast<std::uint32_t>(product0 >> 32) ^ c.word[3] ^ key1, static_cast<std::uint32_t>(product0)}};
}

/// One block: Philox4x32-10 of `counter` under the key (key0, key1).
GNN_HD constexpr PhiloxBlock philox4x32_10(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    counter = philox_round(counter, key0, key1);
    key0 += philox_key_step0;
    key1 += philox_key_step1;
  }
  return counter;
}

/// Block number `offset` of `sequence` under `seed`.
GNN_HD constexpr PhiloxBlock philox_block(std::uint64_t seed, std::uint64_t offset,
                                          std::uint64_t sequence = 0) {
  const PhiloxBlock counter{{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(offset >> 32),
                             static_cast<std::uint32_t>(sequence),
                             static_cast<std::uint32_t>(sequence >> 32)}};
  return philox4x32_10(counter, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

/// A word as a float in [0, 1): its upper 24 bits, so that every value is exact and 1 is never reached.
GNN_HD constexpr float uniform_float(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24f;
}

/// Two words as a double in [0, 1): the upper 53 bits of high:low.
GNN_HD constexpr double uniform_double(std::uint32_t low, std::uint32_t high) {
  const std::uint64_t bits = (std::uint64_t{high} << 32 | low) >> 11;
  return static_cast<double>(static_cast<std::int64_t>(bits)) * 0x1p-53;
}

}  // namespace gnn
