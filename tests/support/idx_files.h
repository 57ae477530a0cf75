#pragma once

// IDX files made by hand, byte by byte from the format's definition.

#include <cstdint>
#include <string>
#include <vector>

namespace gnn::testing {

inline std::string idx_header(unsigned char type, const std::vector<std::uint32_t>& sizes) {
  std::string bytes = {'\0', '\0', static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((size >> shift) & 0xff);
  }
  return bytes;
}

/// `count` grey images of 28 x 28, pixel p of image i being (i * 31 + p * 7) % 256.
inline std::string idx_images(std::uint32_t count) {
  std::string bytes = idx_header(0x08, {count, 28, 28});
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint32_t p = 0; p < 784; ++p) bytes += static_cast<char>((i * 31 + p * 7) % 256);
  }
  return bytes;
}

inline std::string idx_labels(const std::string& labels) {
  return idx_header(0x08, {static_cast<std::uint32_t>(labels.size())}) + labels;
}

/// Bytes that do not compress.
inline std::string random_bytes(std::size_t count) {
  std::string bytes;
  std::uint64_t state = 1;
  while (bytes.size() < count) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    bytes += static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace gnn::testing
