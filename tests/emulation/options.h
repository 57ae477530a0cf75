#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>

namespace gnn::emulation {

/// From the environment; see control.h.
struct Options {
  std::optional<std::uint64_t> seed;
  bool lazy = false;
  int devices = 1;
  std::size_t memory = std::size_t{8} << 30;  // bytes of each device
  std::optional<std::uint64_t> driver;        // the CUDA version it supports; 0: there is none
  std::optional<std::uint64_t> cudnn;         // its version; not set: the headers'
  bool device_code = true;                    // for the GPUs at hand
};
const Options& options();

/// Random numbers of the mode with a seed.
std::mt19937_64& random_engine();

/// Held by every call of the runtime: one call, and one kernel, at a time.
std::recursive_mutex& runtime_mutex();

}  // namespace gnn::emulation
