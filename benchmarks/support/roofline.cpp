#include "support/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/dtype.h"
#include "gnn/core/tensor.h"
#include "gnn/kernels/parallel.h"
#include "gnn/layers/binary.h"
#include "gnn/layers/copy.h"
#include "gnn/layers/fill.h"
#include "gnn/layers/gemm.h"
#include "gnn/layers/reduce.h"
#include "support/measure.h"

namespace gnn::bench {
namespace {

enum class Traffic { read, write, copy, triad, update };

struct Kernel {
  const char* name;
  Traffic traffic;
  int arrays;
  int passes;  // reads and writes of an array
};

constexpr Kernel traffic_kernels[] = {{"read", Traffic::read, 1, 1},
                                      {"write", Traffic::write, 1, 1},
                                      {"copy", Traffic::copy, 2, 2},
                                      {"triad", Traffic::triad, 3, 3},
                                      {"update", Traffic::update, 2, 3}};

/// On the CPU: plain loops, vectorised, with the threads of the library's kernels.
void pass_on_cpu(Traffic traffic, std::vector<std::vector<float>>& arrays) {
  float* const a = arrays[0].data();
  const float* const b = arrays.size() > 1 ? arrays[1].data() : nullptr;
  const float* const c = arrays.size() > 2 ? arrays[2].data() : nullptr;
  const auto count = static_cast<std::int64_t>(arrays[0].size());
  const auto run = [count](const auto& loop) {
    kernels::parallel_for(count, kernels::elementwise_grain, loop);
  };
  switch (traffic) {
    case Traffic::read:
      run([a](std::int64_t begin, std::int64_t end) {
        typedef float Vector __attribute__((vector_size(64), aligned(4), may_alias));
        constexpr int lanes = 16, vectors = 4;  // enough independent sums for any vector unit
        Vector sums[vectors] = {};
        std::int64_t i = begin;
        for (; i + vectors * lanes <= end; i += vectors * lanes) {
#pragma GCC unroll 4
          for (int v = 0; v < vectors; ++v) sums[v] += *reinterpret_cast<const Vector*>(a + i + v * lanes);
        }
        for (; i < end; ++i) sums[0][0] += a[i];
        ::benchmark::DoNotOptimize(sums);
      });
      break;
    case Traffic::write:
      run([a](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) a[i] = 1;
      });
      break;
    case Traffic::copy:
      run([a, b](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) a[i] = b[i] + 1;  // not to become a memcpy
      });
      break;
    case Traffic::triad:
      run([a, b, c](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) a[i] = b[i] + 3 * c[i];
      });
      break;
    case Traffic::update:
      run([a, b](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) a[i] += 3 * b[i];
      });
      break;
  }
  ::benchmark::ClobberMemory();
}

/// On CUDA: the library's kernels, of which each passes over its arrays once.
void pass_on_cuda(Traffic traffic, const std::vector<Tensor>& arrays) {
  switch (traffic) {
    case Traffic::read:
      ::benchmark::DoNotOptimize(sum(arrays[0]));
      break;
    case Traffic::write:
      ::benchmark::DoNotOptimize(full_like(arrays[0], 1));
      break;
    case Traffic::copy:
      ::benchmark::DoNotOptimize(clone(arrays[0]));
      break;
    case Traffic::triad:
    case Traffic::update:  // not registered
      ::benchmark::DoNotOptimize(arrays[0] + arrays[1]);
      break;
  }
}

void run_bandwidth(::benchmark::State& state, const Kernel& kernel, Device device, std::int64_t bytes) {
  const auto count = bytes / kernel.arrays / static_cast<std::int64_t>(sizeof(float));
  const double array_bytes = static_cast<double>(count) * sizeof(float);
  const Cost cost{kernel.passes * array_bytes, 0, kernel.arrays * array_bytes};
  if (device.is_cuda()) {
    const NoGrad no_grad;
    const TensorOptions options{DType::float32, device};
    const std::vector<Tensor> arrays{full({count}, 1, options), full({count}, 2, options)};
    measure(state, device, Cache::warm, cost, [&] { pass_on_cuda(kernel.traffic, arrays); });
    return;
  }
  std::vector<std::vector<float>> arrays(static_cast<std::size_t>(kernel.arrays),
                                         std::vector<float>(static_cast<std::size_t>(count), 1));
  measure(state, device, Cache::warm, cost, [&] { pass_on_cpu(kernel.traffic, arrays); });
}

constexpr std::int64_t peak_rounds = 20000;
// Independent multiply-adds in flight: two units with a latency of four or five cycles need ten.
constexpr int chains = 10;

/// Rounds of `chains` multiply-adds of vectors of `bytes` bytes, all in registers.
template <class T, int bytes>
[[gnu::always_inline]] inline void multiply_add() {
  typedef T Vector __attribute__((vector_size(bytes)));
  Vector sums[chains];
#pragma GCC unroll 16
  for (int i = 0; i < chains; ++i) sums[i] = Vector{} + static_cast<T>(i);
  Vector factor = Vector{} + static_cast<T>(0.5), term = Vector{} + static_cast<T>(0.25);
  ::benchmark::DoNotOptimize(factor);  // values that the compiler does not know
  ::benchmark::DoNotOptimize(term);
  for (std::int64_t round = 0; round < peak_rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < chains; ++i) sums[i] = sums[i] * factor + term;
  }
#pragma GCC unroll 16
  for (int i = 0; i < chains; ++i) ::benchmark::DoNotOptimize(sums[i]);
}

#if defined(__x86_64__)
template <class T>
[[gnu::target("arch=x86-64-v4"), gnu::noinline]] void multiply_add_avx512() {
  multiply_add<T, 64>();
}
template <class T>
[[gnu::target("arch=x86-64-v3"), gnu::noinline]] void multiply_add_avx2() {
  multiply_add<T, 32>();
}
#endif

/// Multiply-adds of one thread, with the widest vectors that the kernels use; how many.
template <class T>
double multiply_add_widest() {
  constexpr double per_byte = static_cast<double>(chains * peak_rounds) / sizeof(T);
#if defined(__x86_64__)
  switch (kernels::cpu_isa()) {
    case kernels::Isa::avx512:
      multiply_add_avx512<T>();
      return 64 * per_byte;
    case kernels::Isa::avx2:
      multiply_add_avx2<T>();
      return 32 * per_byte;
    case kernels::Isa::base:
      break;
  }
#endif
  multiply_add<T, 16>();
  return 16 * per_byte;
}

void run_peak(::benchmark::State& state, DType dtype, Device device) {
  if (device.is_cuda()) {
    const NoGrad no_grad;
    constexpr std::int64_t n = 4096;
    const Tensor a = full({n, n}, 0.5, {dtype, device});
    const double flops = 2.0 * static_cast<double>(n * n * n);
    measure(state, device, Cache::warm, {0, flops, 0}, [&] { ::benchmark::DoNotOptimize(matmul(a, a)); });
    return;
  }
  dispatch_floating("roofline", dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const int threads = num_threads();
    const double flops = 2 * threads * multiply_add_widest<T>();
    measure(state, device, Cache::warm, {0, flops, 0}, [threads] {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
      for (int t = 0; t < threads; ++t) multiply_add_widest<T>();
    });
  });
}

}  // namespace

void register_roofline(Device device) {
  const auto add = [](const std::string& name, const auto& run) {
    ::benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime();
  };
  const std::int64_t last_level = last_level_cache(device);
  struct Level {
    const char* name;
    std::int64_t bytes;
  };
  for (const Level& level : {Level{"private", private_cache(device) / 2}, Level{"cache", last_level / 2},
                             Level{"memory", last_level * 4}}) {
    if (level.bytes == 0) continue;
    for (const Kernel& kernel : traffic_kernels) {
      // A GPU writes without owning lines: the others say it all.
      if (device.is_cuda() && kernel.traffic == Traffic::update) continue;
      add(fmt::format("roofline/bandwidth_{}_{}/float32/{}", kernel.name, level.name, device.to_string()),
          [=, bytes = level.bytes, &kernel](::benchmark::State& state) {
            run_bandwidth(state, kernel, device, bytes);
          });
    }
  }
  for (const DType dtype : {DType::float32, DType::float64}) {
    add(fmt::format("roofline/peak/{}/{}", name_of(dtype), device.to_string()),
        [=](::benchmark::State& state) { run_peak(state, dtype, device); });
  }
}

}  // namespace gnn::bench
