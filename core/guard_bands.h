#pragma once

// The guard bands that set_guard_bands (core/allocator.h) puts around blocks. Not installed.

#include <cstddef>
#include <string>
#include <vector>

#include "gnn/core/backend.h"

namespace gnn {

/// Bytes of each band: a guarded block has one before and one behind the `bytes` that its user sees.
inline constexpr std::size_t guard_bytes = 512;

class GuardBands {
 public:
  GuardBands(Device device, Backend& driver) : device_(device), driver_(driver) {}

  /// Writes the bands of the block at `data`, and what its user sees full of 0xff, in order on `stream`.
  void write(std::byte* data, std::size_t bytes, void* stream) const;
  /// Waits for the stream and adds a line for each band that is not as it was written.
  void verify(const std::byte* data, std::size_t bytes, void* stream,
              std::vector<std::string>& violations) const;

 private:
  Device device_;
  Backend& driver_;
};

}  // namespace gnn
