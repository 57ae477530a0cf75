#pragma once

// How CPU kernels use all cores and the widest vectors. Not installed.

#include <algorithm>
#include <cstdint>

#include "gnn/core/device.h"

namespace gnn::kernels {

/// Instruction sets that loops are compiled for, besides the base (x86-64-v2).
enum class Isa { base, avx2, avx512 };

/// The widest that this CPU has; GNN_ISA=base|avx2|avx512 in the environment lowers it.
Isa cpu_isa();

#if defined(__x86_64__)
// `flatten` inlines the loop into a function for each instruction set, so that a kernel's plain loops are
// vectorised for all three and a binary runs on any x86-64-v2 machine. Calls that are not inlined (libm) stay
// as they are.
template <class F>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512"), gnu::flatten, gnu::noinline]] void run_avx512(
    const F& loop, std::int64_t begin, std::int64_t end) {
  loop(begin, end);
}
template <class F>
[[gnu::target("arch=x86-64-v3"), gnu::flatten, gnu::noinline]] void run_avx2(const F& loop,
                                                                             std::int64_t begin,
                                                                             std::int64_t end) {
  loop(begin, end);
}
#endif

/// Widest instruction set that element-wise loops over T are compiled for. They are bound by memory, where
/// 512 bits gain nothing over 256, and float64 is for checking gradients: each set costs compile time and
/// code size.
template <class T>
inline constexpr Isa elementwise_isa = sizeof(T) == sizeof(float) ? Isa::avx2 : Isa::base;

/// loop(begin, end), compiled for the widest vectors of this CPU up to `widest`.
template <Isa widest = Isa::avx512, class F>
void run_simd(const F& loop, std::int64_t begin, std::int64_t end) {
#if defined(__x86_64__)
  const Isa isa = std::min(cpu_isa(), widest);
  if constexpr (widest >= Isa::avx512) {
    if (isa == Isa::avx512) return run_avx512(loop, begin, end);
  }
  if constexpr (widest >= Isa::avx2) {
    if (isa == Isa::avx2) return run_avx2(loop, begin, end);
  }
#endif
  loop(begin, end);
}

/// True inside of an OpenMP parallel region, whoever opened it.
bool in_parallel_region();

/// Calls loop(b, e) on consecutive pieces of [0, count), in parallel, compiled for the widest vectors up to
/// `widest`. The pieces, equal within one iteration, depend on `count` and `grain` only, never on the number
/// of threads, so a loop that reduces over its piece gives the same result on any number of them. `grain` is
/// the least work, in iterations, worth a thread of its own (about 10 µs). Loops must not throw.
template <Isa widest = Isa::avx512, class F>
void parallel_for(std::int64_t count, std::int64_t grain, const F& loop) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t pieces = std::min<std::int64_t>((count + grain - 1) / grain, 64);
  const auto threads = static_cast<int>(std::min<std::int64_t>(pieces, num_threads()));
  const auto run_piece = [&](std::int64_t p) {
    run_simd<widest>(loop, count * p / pieces, count * (p + 1) / pieces);
  };
  // Without OpenMP, which allocates a team even for one thread: microseconds for a small tensor. Inside of a
  // caller's own parallel region the team is needed: in it thread_index() is 0.
  if (threads == 1 && !in_parallel_region()) {
    for (std::int64_t p = 0; p < pieces; ++p) run_piece(p);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t p = 0; p < pieces; ++p) run_piece(p);
}

/// Inside a loop of parallel_for: which of its threads runs it, from 0, below num_threads(); for memory that
/// each has its own of.
int thread_index();

/// Iterations of an element-wise loop that are worth a thread.
inline constexpr std::int64_t elementwise_grain = 16384;

}  // namespace gnn::kernels
