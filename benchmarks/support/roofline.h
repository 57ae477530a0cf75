#pragma once

#include "gnn/core/device.h"

namespace gnn::bench {

/// Registers what this machine can do, as benchmarks roofline/WHAT/DTYPE/DEVICE, run as all others are (the
/// same threads, the same clock):
///
///   bandwidth_KERNEL_LEVEL  KERNEL is read (a sum), write, copy, triad (a = b + 3 c, McCalpin's STREAM) or
///                           update (a += 3 b), and LEVEL private (arrays fit into the cores' own caches),
///                           cache (into the last level) or memory (four times the last level). What a CPU
///                           reads only to own the cache line that it writes is not counted, as STREAM does
///                           not; update has no such reads.
///   peak                    multiply-adds of registers on the CPU; on CUDA the product of two 4096 x 4096
///                           matrices by cuBLAS
///
/// The roof of a level is the fastest kernel's: what reads only may be faster than what writes.
void register_roofline(Device device);

}  // namespace gnn::bench
