#include "support/flush.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "gnn/core/tensor.h"
#include "gnn/kernels/parallel.h"
#include "gnn/layers/fill.h"

#ifdef GNN_BENCH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace gnn::bench {

std::int64_t last_level_cache(Device device) {
  constexpr std::int64_t unknown = std::int64_t{32} << 20;
#ifdef GNN_BENCH_CUDA
  if (device.is_cuda()) {
    int bytes = 0;
    const bool known =
        cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device.index) == cudaSuccess && bytes > 0;
    return known ? bytes : unknown;
  }
#endif
  (void)device;  // a build without CUDA has one only
  for (const int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE}) {
    if (const long bytes = sysconf(level); bytes > 0) return bytes;
  }
  return unknown;
}

std::int64_t private_cache(Device device) {
  if (device.is_cuda() || sysconf(_SC_LEVEL3_CACHE_SIZE) <= 0) return 0;
  return std::max<std::int64_t>(sysconf(_SC_LEVEL2_CACHE_SIZE), 0) * num_threads();
}

void flush_caches(Device device) {
  if (device.is_cuda()) {
    static Tensor buffer = empty({last_level_cache(device) * 2}, {DType::uint8, device});
    buffer.copy_from(full_like(buffer, 0));
    return;
  }
  static const std::vector<std::int64_t> buffer(
      static_cast<std::size_t>(last_level_cache(device)) * 2 / sizeof(std::int64_t), 1);
  // Reading leaves nothing to be written back while the next call is timed.
  const auto walk = [](std::int64_t begin, std::int64_t end) {
    std::int64_t sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum += buffer[static_cast<std::size_t>(i)];
    ::benchmark::DoNotOptimize(sum);
  };
  kernels::parallel_for(static_cast<std::int64_t>(buffer.size()), kernels::elementwise_grain, walk);
}

}  // namespace gnn::bench
