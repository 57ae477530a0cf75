#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "emulation/device.h"
#include "emulation/sanitizer.h"

namespace gnn::emulation {

/// One launch, ready to run.
struct Grid {
  const void* kernel = nullptr;
  const KernelSignature* signature = nullptr;
  const void* arguments = nullptr;  // as the signature keeps them
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;  // dynamic
  int device = 0;
};

inline constexpr unsigned max_block_threads = 1024;
inline constexpr std::size_t static_shared_limit = 48 << 10;
inline constexpr std::size_t shared_limit =
    163 << 10;  // after cudaFuncSetAttribute, as on compute capability 8.0

/// The contexts and stacks of CUDA threads. With TSan each stream has its own, so that kernels of different
/// streams are ordered by events only; without, all share one.
class ThreadPool;
std::shared_ptr<ThreadPool> new_thread_pool();

/// Runs a stream's work in the stream's context.
void run_as_stream(ThreadPool& pool, const std::function<void()>& work);

/// Runs all blocks to their end. An error has been reported; the context is broken then.
cudaError_t run_grid(const Grid& grid, ThreadPool& pool);

/// "kernel softmax_rows_kernel<32, float>, block (3, 0, 0), thread (17, 0, 0)", or empty outside kernels.
std::string running_thread();
/// True when `address` is in the guard page of a CUDA thread's stack.
bool is_stack_guard(const void* address);

}  // namespace gnn::emulation
