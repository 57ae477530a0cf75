#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gnn/core/export.h"

namespace gnn {

enum class DeviceType : std::uint8_t { cpu, cuda };

/// Where a tensor lives and its kernels run: the CPU, or the CUDA device of that index.
struct GNN_API Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {DeviceType::cuda, index}; }

  /// Parses "cpu", "cuda", "cuda:N", or "auto" (cuda:0 when it is available, else cpu). Throws DeviceError
  /// for any other text and, with the reason, for a CUDA device that cannot be used.
  static Device parse(std::string_view text);

  bool is_cpu() const { return type == DeviceType::cpu; }
  bool is_cuda() const { return type == DeviceType::cuda; }
  bool operator==(const Device&) const = default;

  /// "cpu" or "cuda:0".
  std::string to_string() const;
};

/// Threads that CPU kernels may use. Results do not depend on the number.
GNN_API int num_threads();
/// Sets it for this process; throws ValueError below 1. Default: OMP_NUM_THREADS, else the number of
/// processors that the process may run on, or a container's limit of processor time where that is less.
GNN_API void set_num_threads(int threads);

namespace cuda {

/// True when a CUDA device can be used by this build on this machine.
GNN_API bool is_available();
/// Why not, and what to do about it; empty when is_available().
GNN_API std::string unavailable_reason();
/// Number of usable CUDA devices; 0 when there is none.
GNN_API int device_count();
/// For example "NVIDIA H100 80GB HBM3 (sm_90)"; throws DeviceError for an index out of range.
GNN_API std::string device_name(int index);

/// Between these two a profiler records (nsys profile -c cudaProfilerApi, ncu --profile-from-start off): put
/// them around the steps of interest, after some that warm up. Work is issued, not finished, when an
/// operation returns, so synchronize(device) comes before each. Without effect where is_available() is false
/// or no profiler runs; a failing call throws CudaError.
GNN_API void profiler_start();
GNN_API void profiler_stop();

}  // namespace cuda
}  // namespace gnn
