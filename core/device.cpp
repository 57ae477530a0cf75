#include "gnn/core/device.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "gnn/core/backend.h"
#include "gnn/core/check.h"
#include "gnn/core/config.h"
#include "gnn/core/cpu_quota.h"

namespace gnn {
namespace {

std::atomic<int> chosen_threads{0};  // 0: not set

/// OpenMP's number (OMP_NUM_THREADS, else processors that the process may run on), which heeds no quota.
int default_threads() {
  static const int most = std::getenv("OMP_NUM_THREADS") != nullptr
                              ? std::numeric_limits<int>::max()
                              : cpu_quota().value_or(std::numeric_limits<int>::max());
  return std::min(omp_get_max_threads(), most);
}

void require_cuda(int index) {
  check<DeviceError>(cuda::is_available(), "device cuda:{} cannot be used: {}", index,
                     cuda::unavailable_reason());
  check<DeviceError>(index >= 0 && index < cuda::device_count(),
                     "device cuda:{} does not exist: this machine has {} usable CUDA device(s)", index,
                     cuda::device_count());
}

}  // namespace

Device Device::parse(std::string_view text) {
  if (text == "cpu") return cpu();
  if (text == "auto") return gnn::cuda::is_available() ? cuda(0) : cpu();
  constexpr std::string_view prefix = "cuda:";
  if (text == "cuda" || text.starts_with(prefix)) {
    int index = 0;
    if (text != "cuda") {
      const char* begin = text.data() + prefix.size();
      const char* end = text.data() + text.size();
      const auto [rest, status] = std::from_chars(begin, end, index);
      check<DeviceError>(status == std::errc() && rest == end && index >= 0,
                         "unknown device '{}': expected cpu, cuda, cuda:N or auto", text);
    }
    require_cuda(index);
    return cuda(index);
  }
  fail<DeviceError>("unknown device '{}': expected cpu, cuda, cuda:N or auto", text);
}

std::string Device::to_string() const {
  return is_cpu() ? "cpu" : fmt::format("cuda:{}", index);
}

int num_threads() {
  const int threads = chosen_threads.load(std::memory_order_relaxed);
  return threads > 0 ? threads : default_threads();
}

void set_num_threads(int threads) {
  check<ValueError>(threads >= 1, "set_num_threads: expected at least 1 thread, got {}", threads);
  chosen_threads.store(threads, std::memory_order_relaxed);
}

Backend& backend(Device device) {
  if (device.is_cpu()) return cpu_backend();
  require_cuda(device.index);
  if constexpr (built_with_cuda) return cuda_backend();
  fail<DeviceError>("device {} cannot be used: {}", device, cuda::unavailable_reason());
}

#if !defined(GNN_WITH_CUDA)
namespace cuda {

bool is_available() {
  return false;
}

std::string unavailable_reason() {
  return "this libgnn was built without CUDA; rebuild it with -DGNN_CUDA=ON where the CUDA toolkit is "
         "installed";
}

int device_count() {
  return 0;
}

std::string device_name(int index) {
  fail<DeviceError>("device_name: device cuda:{} cannot be used: {}", index, unavailable_reason());
}

void profiler_start() {}

void profiler_stop() {}

}  // namespace cuda
#endif

}  // namespace gnn
