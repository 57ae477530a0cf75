// Allocation, copies and fills.

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "emulation/control.h"
#include "emulation/memory.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/sanitizer.h"
#include "emulation/streams.h"

namespace gnn::emulation {
namespace {

/// Rows of `width` bytes; one row for plain copies.
struct Rows {
  std::size_t width;
  std::size_t height = 1;
  std::size_t pitch = 0;
  std::size_t extent() const { return height == 0 || width == 0 ? 0 : (height - 1) * pitch + width; }
};

struct Copy {
  char* target;
  const char* source;
  Rows to;
  Rows from;

  void run() const {
    for (std::size_t row = 0; row < to.height; ++row) {
      std::memmove(target + row * to.pitch, source + row * from.pitch, to.width);  // TSan and ASan watch it
    }
  }
};

bool is_device(const void* address) {
  return locate(address).place == Place::device;
}

/// Both ends must be what `kind` says, and lie in one allocation each.
cudaError_t check_copy(const Copy& copy, cudaMemcpyKind kind, const char* call) {
  const bool to_device = kind == cudaMemcpyDefault
                             ? is_device(copy.target)
                             : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDefault
                               ? is_device(copy.source)
                               : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  for (const std::string& problem : {range_problem(copy.target, copy.to.extent(), to_device),
                                     range_problem(copy.source, copy.from.extent(), from_device)}) {
    if (problem.empty()) continue;
    report(std::string(call) + ": " + problem);
    return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

cudaError_t issue_copy(Stream& stream, Copy copy, cudaMemcpyKind kind, bool wait, const char* call) {
  if (sticky_error() != cudaSuccess) return sticky_error();
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::copy, injected)) return injected;
  if (const cudaError_t status = check_copy(copy, kind, call); status != cudaSuccess) return status;
  if (wait) {
    if (const cudaError_t status = forbid_during_capture(call); status != cudaSuccess) return status;
  }
  const bool from_pageable = locate(copy.source).place == Place::host;
  const bool to_pageable = locate(copy.target).place == Place::host;
  std::shared_ptr<std::vector<char>> staged;
  if (from_pageable && !wait && !capturing(stream)) {
    // Pageable memory is read before the call returns, as CUDA does; pinned memory when the copy runs.
    staged = std::make_shared<std::vector<char>>(copy.from.extent());
    std::memcpy(staged->data(), copy.source, staged->size());
    copy.source = staged->data();
  }
  const cudaError_t status =
      issue(stream,
            {[copy, staged = std::move(staged), kind, call = std::string(call)] {
               // Again: the memory may have been freed since.
               if (const cudaError_t late = check_copy(copy, kind, call.c_str()); late != cudaSuccess)
                 return late;
               copy.run();
               return cudaSuccess;
             },
             cudaGraphNodeTypeMemcpy, reinterpret_cast<const void*>(static_cast<std::uintptr_t>(kind) + 1)});
  if (status != cudaSuccess || capturing(stream)) return status;
  return wait || to_pageable ? complete(stream) : cudaSuccess;
}

cudaError_t issue_fill(Stream& stream, void* target, int value, Rows rows, bool wait, const char* call) {
  if (sticky_error() != cudaSuccess) return sticky_error();
  const auto problem = [=] {
    std::string text = range_problem(target, rows.extent(), true);
    if (!text.empty()) report(std::string(call) + ": " + text);
    return !text.empty();
  };
  if (problem()) return cudaErrorInvalidValue;
  const cudaError_t status =
      issue(stream, {[=] {
                       if (problem()) return cudaErrorIllegalAddress;
                       for (std::size_t row = 0; row < rows.height; ++row)
                         std::memset(static_cast<char*>(target) + row * rows.pitch, value, rows.width);
                       return cudaSuccess;
                     },
                     cudaGraphNodeTypeMemset, reinterpret_cast<const void*>(1)});
  if (status != cudaSuccess || !wait) return status;
  return complete(stream);
}

/// The default stream, which calls without a stream use.
Stream& default_stream() {
  return *find_stream(nullptr);
}

}  // namespace
}  // namespace gnn::emulation

using namespace gnn::emulation;

cudaError_t cudaMalloc(void** data, size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return finish(sticky_error());
  if (const cudaError_t status = forbid_during_capture("cudaMalloc"); status != cudaSuccess)
    return finish(status);
  return finish(allocate_device(current_device(), bytes, data));
}

cudaError_t cudaFree(void* data) {
  const std::lock_guard lock(runtime_mutex());
  if (data == nullptr) return finish(cudaSuccess);
  if (const cudaError_t status = forbid_during_capture("cudaFree"); status != cudaSuccess)
    return finish(status);
  complete_all();  // cudaFree waits for the device
  return finish(free_device(data));
}

cudaError_t cudaMallocHost(void** data, size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  if (const cudaError_t status = forbid_during_capture("cudaMallocHost"); status != cudaSuccess)
    return finish(status);
  return finish(allocate_pinned(bytes, data));
}

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  return cudaMallocHost(data, bytes);
}

cudaError_t cudaFreeHost(void* data) {
  const std::lock_guard lock(runtime_mutex());
  complete_all();
  return finish(free_pinned(data));
}

// Stream-ordered allocation: memory is there at once, and goes when the stream comes to the free. Every pool
// is the device's default pool.

cudaError_t cudaMallocAsync(void** data, size_t bytes, cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  return finish(allocate_device(stream->device, bytes, data));
}

cudaError_t cudaMallocFromPoolAsync(void** data, size_t bytes, cudaMemPool_t, cudaStream_t stream) {
  return cudaMallocAsync(data, bytes, stream);
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  return finish(issue(*stream, {[data] {
                                  note_write(data, locate(data).bytes);
                                  return free_device(data);
                                },
                                cudaGraphNodeTypeMemFree, nullptr}));
}

namespace {
char default_pool;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = reinterpret_cast<cudaMemPool_t>(&default_pool);
  return finish(cudaSuccess);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return finish(cudaSuccess);
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  return finish(cudaSuccess);
}

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
  const std::lock_guard lock(runtime_mutex());
  const Copy copy{static_cast<char*>(target), static_cast<const char*>(source), {bytes}, {bytes}};
  return finish(issue_copy(default_stream(), copy, kind, true, "cudaMemcpy"));
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  const Copy copy{static_cast<char*>(target), static_cast<const char*>(source), {bytes}, {bytes}};
  return finish(issue_copy(*stream, copy, kind, false, "cudaMemcpyAsync"));
}

cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source, size_t source_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (width > target_pitch || width > source_pitch) return finish(cudaErrorInvalidValue);
  const Copy copy{static_cast<char*>(target),
                  static_cast<const char*>(source),
                  {width, height, target_pitch},
                  {width, height, source_pitch}};
  return finish(issue_copy(*stream, copy, kind, false, "cudaMemcpy2DAsync"));
}

cudaError_t cudaMemcpy2D(void* target, size_t target_pitch, const void* source, size_t source_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
  const std::lock_guard lock(runtime_mutex());
  const cudaError_t status =
      cudaMemcpy2DAsync(target, target_pitch, source, source_pitch, width, height, kind, nullptr);
  return status != cudaSuccess ? status : finish(complete(default_stream()));
}

cudaError_t cudaMemcpyPeerAsync(void* target, int target_device, const void* source, int source_device,
                                size_t bytes, cudaStream_t stream) {
  for (const auto& [data, device] :
       {std::pair<const void*, int>{target, target_device}, {source, source_device}}) {
    if (bytes == 0 || locate(data).device == device) continue;
    report("cudaMemcpyPeerAsync: " + describe(data) + " is not on device " + std::to_string(device));
    return finish(cudaErrorInvalidValue);
  }
  return cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t cudaMemcpyPeer(void* target, int target_device, const void* source, int source_device,
                           size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  const cudaError_t status =
      cudaMemcpyPeerAsync(target, target_device, source, source_device, bytes, nullptr);
  return status != cudaSuccess ? status : finish(complete(default_stream()));
}

cudaError_t cudaMemset(void* target, int value, size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  return finish(issue_fill(default_stream(), target, value, {bytes}, true, "cudaMemset"));
}

cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  return finish(issue_fill(*stream, target, value, {bytes}, false, "cudaMemsetAsync"));
}

cudaError_t cudaMemset2DAsync(void* target, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  Stream* const stream = find_stream(handle);
  if (stream == nullptr) return finish(cudaErrorInvalidResourceHandle);
  if (width > pitch) return finish(cudaErrorInvalidValue);
  return finish(issue_fill(*stream, target, value, {width, height, pitch}, false, "cudaMemset2DAsync"));
}

cudaError_t cudaMemset2D(void* target, size_t pitch, int value, size_t width, size_t height) {
  const std::lock_guard lock(runtime_mutex());
  const cudaError_t status = cudaMemset2DAsync(target, pitch, value, width, height, nullptr);
  return status != cudaSuccess ? status : finish(complete(default_stream()));
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  const std::lock_guard lock(runtime_mutex());
  const Location at = locate(address);
  *attributes = {};
  attributes->device = std::max(at.device, 0);
  attributes->type = at.place == Place::device   ? cudaMemoryTypeDevice
                     : at.place == Place::pinned ? cudaMemoryTypeHost
                                                 : cudaMemoryTypeUnregistered;
  attributes->devicePointer = at.place == Place::host ? nullptr : const_cast<void*>(address);
  attributes->hostPointer = at.place == Place::pinned ? const_cast<void*>(address) : nullptr;
  return finish(cudaSuccess);
}
