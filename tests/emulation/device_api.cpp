// Devices, errors, peers.

#include <cuda_profiler_api.h>

#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include "emulation/control.h"
#include "emulation/memory.h"
#include "emulation/options.h"
#include "emulation/peers.h"
#include "emulation/report.h"
#include "emulation/scheduler.h"
#include "emulation/streams.h"

namespace gnn::emulation {
namespace {

std::set<std::pair<int, int>>& peers() {
  static auto& pairs = *new std::set<std::pair<int, int>>;
  return pairs;
}

bool exists(int device) {
  return device >= 0 && device < options().devices;
}

int driver_version() {
  return static_cast<int>(options().driver.value_or(CUDART_VERSION));
}

// A GPU of compute capability 8.0.
struct Attribute {
  cudaDeviceAttr attribute;
  int value;
};
constexpr Attribute attributes[] = {
    {cudaDevAttrComputeCapabilityMajor, 8},
    {cudaDevAttrComputeCapabilityMinor, 0},
    {cudaDevAttrMultiProcessorCount, 108},
    {cudaDevAttrWarpSize, 32},
    {cudaDevAttrMaxThreadsPerBlock, static_cast<int>(max_block_threads)},
    {cudaDevAttrMaxBlockDimX, 1024},
    {cudaDevAttrMaxBlockDimY, 1024},
    {cudaDevAttrMaxBlockDimZ, 64},
    {cudaDevAttrMaxGridDimX, 0x7fffffff},
    {cudaDevAttrMaxGridDimY, 65535},
    {cudaDevAttrMaxGridDimZ, 65535},
    {cudaDevAttrMaxSharedMemoryPerBlock, static_cast<int>(static_shared_limit)},
    {cudaDevAttrMaxSharedMemoryPerBlockOptin, static_cast<int>(shared_limit)},
    {cudaDevAttrMaxSharedMemoryPerMultiprocessor, static_cast<int>(shared_limit + 1024)},
    {cudaDevAttrMaxThreadsPerMultiProcessor, 2048},
    {cudaDevAttrMaxRegistersPerBlock, 65536},
    {cudaDevAttrMaxRegistersPerMultiprocessor, 65536},
    {cudaDevAttrL2CacheSize, 40 << 20},
    {cudaDevAttrMemoryPoolsSupported, 1},
    {cudaDevAttrUnifiedAddressing, 1},
    {cudaDevAttrConcurrentKernels, 1},
    {cudaDevAttrCooperativeLaunch, 0},
    {cudaDevAttrManagedMemory, 0},
    {cudaDevAttrIntegrated, 0},
};

}  // namespace

bool can_access(int device, int owner) {
  return device == owner || peers().contains({device, owner});
}

}  // namespace gnn::emulation

using namespace gnn::emulation;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (driver_version() < CUDART_VERSION) return finish(cudaErrorInsufficientDriver);
  *count = options().devices;
  return finish(options().devices > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return finish(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  if (!exists(device)) return finish(cudaErrorInvalidDevice);
  current_device() = device;
  return finish(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return finish(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return finish(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!exists(device)) return finish(cudaErrorInvalidDevice);
  for (const Attribute& one : attributes) {
    if (one.attribute != attribute) continue;
    *value = one.value;
    return finish(cudaSuccess);
  }
  report("device attribute " + std::to_string(attribute) + " is not emulated");
  return finish(cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!exists(device)) return finish(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated GPU %d", device);
  properties->totalGlobalMem = options().memory;
  properties->major = 8;
  properties->warpSize = 32;
  properties->multiProcessorCount = 108;
  properties->maxThreadsPerBlock = max_block_threads;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->sharedMemPerBlock = static_shared_limit;
  properties->sharedMemPerBlockOptin = shared_limit;
  properties->sharedMemPerMultiprocessor = shared_limit + 1024;
  properties->regsPerBlock = 65536;
  properties->l2CacheSize = 40 << 20;
  properties->unifiedAddressing = 1;
  properties->concurrentKernels = 1;
  return finish(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(runtime_mutex());
  if (const cudaError_t status = forbid_during_capture("cudaDeviceSynchronize"); status != cudaSuccess)
    return finish(status);
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::synchronization, injected)) return finish(injected);
  return finish(complete_device(current_device()));
}

cudaError_t cudaDeviceReset() {
  const std::lock_guard lock(runtime_mutex());
  complete_all();
  free_everything();
  set_sticky_error(cudaSuccess);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(runtime_mutex());
  *total = options().memory;
  *free = options().memory - bytes_in_use(current_device());
  return finish(cudaSuccess);
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  if (!exists(device) || !exists(peer)) return finish(cudaErrorInvalidDevice);
  *can = device != peer;
  return finish(cudaSuccess);
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  const std::lock_guard lock(runtime_mutex());
  if (!exists(peer) || peer == current_device()) return finish(cudaErrorInvalidDevice);
  return finish(peers().insert({current_device(), peer}).second ? cudaSuccess
                                                                : cudaErrorPeerAccessAlreadyEnabled);
}

cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  const std::lock_guard lock(runtime_mutex());
  return finish(peers().erase({current_device(), peer}) == 1 ? cudaSuccess : cudaErrorPeerAccessNotEnabled);
}

cudaError_t cudaProfilerStart() {
  return finish(cudaSuccess);
}

cudaError_t cudaProfilerStop() {
  return finish(cudaSuccess);
}

const char* cudaGetErrorName(cudaError_t error) {
#define GNN_NAME(name) \
  case name:           \
    return #name;
  switch (error) {
    GNN_NAME(cudaSuccess)
    GNN_NAME(cudaErrorInvalidValue)
    GNN_NAME(cudaErrorMemoryAllocation)
    GNN_NAME(cudaErrorInvalidConfiguration)
    GNN_NAME(cudaErrorInvalidMemcpyDirection)
    GNN_NAME(cudaErrorInvalidDeviceFunction)
    GNN_NAME(cudaErrorNoDevice)
    GNN_NAME(cudaErrorInvalidDevice)
    GNN_NAME(cudaErrorInvalidResourceHandle)
    GNN_NAME(cudaErrorNotReady)
    GNN_NAME(cudaErrorIllegalAddress)
    GNN_NAME(cudaErrorLaunchOutOfResources)
    GNN_NAME(cudaErrorLaunchFailure)
    GNN_NAME(cudaErrorMisalignedAddress)
    GNN_NAME(cudaErrorPeerAccessAlreadyEnabled)
    GNN_NAME(cudaErrorPeerAccessNotEnabled)
    GNN_NAME(cudaErrorStreamCaptureUnsupported)
    GNN_NAME(cudaErrorStreamCaptureInvalidated)
    GNN_NAME(cudaErrorStreamCaptureUnmatched)
    GNN_NAME(cudaErrorStreamCaptureUnjoined)
    GNN_NAME(cudaErrorStreamCaptureImplicit)
    GNN_NAME(cudaErrorStreamCaptureIsolation)
    GNN_NAME(cudaErrorIllegalState)
    GNN_NAME(cudaErrorGraphExecUpdateFailure)
    GNN_NAME(cudaErrorNotSupported)
    default:
      return "cudaErrorUnknown";
  }
#undef GNN_NAME
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidMemcpyDirection:
      return "invalid copy direction for memcpy";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return cudaGetErrorName(error);
  }
}
