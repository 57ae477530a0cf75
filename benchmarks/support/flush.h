#pragma once

#include <cstdint>

#include "gnn/core/device.h"

namespace gnn::bench {

/// Bytes of the largest cache of one core's path to memory: L2 on CUDA, the last level on the CPU (32 MiB
/// where the system does not say).
std::int64_t last_level_cache(Device device);
/// Bytes of the cache that a core has for itself (L2), times the threads in use; 0 where the system does not
/// say, and on CUDA.
std::int64_t private_cache(Device device);

/// Drives everything else out of the caches, the cores' own included: reads (CPU) or writes (CUDA) a buffer
/// of at least twice the last-level cache.
void flush_caches(Device device);

}  // namespace gnn::bench
