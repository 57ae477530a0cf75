// Kernels: launch, attributes, occupancy.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "emulation/control.h"
#include "emulation/memory.h"
#include "emulation/options.h"
#include "emulation/peers.h"
#include "emulation/report.h"
#include "emulation/scheduler.h"
#include "emulation/streams.h"
#include "emulation/symbols.h"

namespace gnn::emulation {
namespace {

struct Kernel {
  const KernelSignature* signature = nullptr;
  std::size_t dynamic_limit = static_shared_limit;  // cudaFuncSetAttribute raises it
  std::uint64_t launches = 0;
};

std::unordered_map<const void*, Kernel>& kernels() {
  static auto& all = *new std::unordered_map<const void*, Kernel>;
  return all;
}

std::map<std::string, std::uint64_t>& library_launches() {
  static auto& counts = *new std::map<std::string, std::uint64_t>;
  return counts;
}

std::string to_text(const dim3& v) {
  return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}

/// Why a GPU would refuse the configuration; empty when it would not.
std::string configuration_problem(const cudaLaunchConfig_t& config, const Kernel& kernel) {
  const dim3& block = config.blockDim;
  const dim3& grid = config.gridDim;
  if (block.x == 0 || block.y == 0 || block.z == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 ||
      std::uint64_t{block.x} * block.y * block.z > max_block_threads) {
    return "a block of " + to_text(block) + " threads";
  }
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return "a grid of " + to_text(grid) + " blocks";
  if (config.dynamicSmemBytes > kernel.dynamic_limit) {
    return std::to_string(config.dynamicSmemBytes) +
           " bytes of dynamic shared memory, of which the kernel may have " +
           std::to_string(kernel.dynamic_limit);
  }
  if (config.numAttrs != 0) return "launch attributes, which are not emulated";
  return "";
}

/// Pointers that the kernel was given must point to memory that it can use.
cudaError_t check_pointers(const Grid& grid) {
  const void* list[max_kernel_arguments];
  const std::size_t count = grid.signature->pointers(grid.arguments, list);
  for (std::size_t i = 0; i < count; ++i) {
    if (list[i] == nullptr) continue;
    const Location at = locate(list[i]);
    const bool usable = at.place == Place::pinned ||
                        (at.place == Place::device && at.live && can_access(grid.device, at.device));
    if (usable) continue;
    report("pointer " + std::to_string(i + 1) + " of kernel " + function_name(grid.kernel) + " on device " +
           std::to_string(grid.device) + " is " + describe(list[i]));
    return cudaErrorIllegalAddress;
  }
  return cudaSuccess;
}

/// For GNN_EMULATION_LAUNCHES.
__attribute__((destructor)) void write_launches() {
  const char* path = std::getenv("GNN_EMULATION_LAUNCHES");
  std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "w");
  if (file == nullptr) return;
  for (const auto& [name, launches] : take_launches())
    std::fprintf(file, "%llu %s\n", static_cast<unsigned long long>(launches), name.c_str());
  std::fclose(file);
}

}  // namespace

void count_library_launch(const std::string& name) {
  ++library_launches()[name];
}

void register_kernel(const void* kernel, const KernelSignature& signature) {
  const std::lock_guard lock(runtime_mutex());
  kernels()[kernel].signature = &signature;
}

std::map<std::string, std::uint64_t> take_launches() {
  const std::lock_guard lock(runtime_mutex());
  std::map<std::string, std::uint64_t> result = std::exchange(library_launches(), {});
  for (auto& [function, kernel] : kernels()) {
    if (kernel.launches != 0) result[function_name(function)] += kernel.launches;
    kernel.launches = 0;
  }
  return result;
}

}  // namespace gnn::emulation

using namespace gnn::emulation;

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return finish(sticky_error());
  const auto found = kernels().find(function);
  if (found == kernels().end()) {
    report("kernel " + function_name(function) + " was not registered: launch it with gnn::kernels::launch");
    return finish(cudaErrorInvalidDeviceFunction);
  }
  Kernel& kernel = found->second;
  Stream* const stream = find_launch_stream(config->stream);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::launch, injected)) return finish(injected);
  if (const std::string problem = configuration_problem(*config, kernel); !problem.empty()) {
    report("kernel " + function_name(function) + " was launched with " + problem);
    return finish(problem.find("shared") == std::string::npos ? cudaErrorInvalidConfiguration
                                                              : cudaErrorInvalidValue);
  }
  ++kernel.launches;
  // Aligned as any argument may ask for.
  auto kept = std::shared_ptr<void>(::operator new (kernel.signature->bytes, std::align_val_t{64}),
                                    [](void* data) { ::operator delete (data, std::align_val_t{64}); });
  kernel.signature->keep(kept.get(), arguments);
  Grid grid{function,         kernel.signature,         kept.get(),    config->gridDim,
            config->blockDim, config->dynamicSmemBytes, stream->device};
  return finish(issue(*stream, {[grid, kept = std::move(kept), pool = stream->pool] {
                                  if (const cudaError_t status = check_pointers(grid); status != cudaSuccess)
                                    return status;
                                  return run_grid(grid, *pool);
                                },
                                cudaGraphNodeTypeKernel, function}));
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  const std::lock_guard lock(runtime_mutex());
  *attributes = {};
  if (!options().device_code) return finish(cudaErrorNoKernelImageForDevice);
  attributes->maxThreadsPerBlock = max_block_threads;
  attributes->maxDynamicSharedSizeBytes = static_shared_limit;
  attributes->numRegs = 32;  // nobody knows
  attributes->ptxVersion = attributes->binaryVersion = 80;
  return finish(cudaSuccess);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  const std::lock_guard lock(runtime_mutex());
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || static_cast<std::size_t>(value) > shared_limit) return finish(cudaErrorInvalidValue);
    kernels()[function].dynamic_limit = static_cast<std::size_t>(value);
  }
  return finish(cudaSuccess);
}

// As a GPU of compute capability 8.0 whose registers never are the limit.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads,
                                                          size_t dynamic_bytes) {
  const std::lock_guard lock(runtime_mutex());
  if (threads <= 0 || threads > static_cast<int>(max_block_threads)) return finish(cudaErrorInvalidValue);
  const int warps = (threads + 31) / 32;
  const std::size_t shared = dynamic_bytes + 1024;
  *blocks = std::min({64 / warps, 32, static_cast<int>((shared_limit + 1024) / shared)});
  return finish(cudaSuccess);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function,
                                                                   int threads, size_t dynamic_bytes,
                                                                   unsigned) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, dynamic_bytes);
}
