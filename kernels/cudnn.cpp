#include "gnn/kernels/cudnn.h"

#include <dlfcn.h>

#include <cstdlib>

#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/kernels/cudnn_api.h"

namespace gnn::kernels {
namespace {

/// The library, or why there is none.
struct Cudnn {
  CudnnApi api;
  std::string version;
  std::string reason;
};

std::string text_of(std::size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

Cudnn load() {
  Cudnn cudnn;
  const char* chosen = std::getenv("GNN_CUDNN_LIBRARY");
  const std::string file = chosen != nullptr && *chosen != '\0' ? chosen : GNN_CUDNN_LIBRARY;
  const std::string advice =
      fmt::format("install cuDNN {}, or set GNN_CUDNN_LIBRARY to the path of its library", CUDNN_MAJOR);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed
  if (library == nullptr) {
    cudnn.reason = fmt::format("{} cannot be loaded ({}); {}", file, dlerror(), advice);
    return cudnn;
  }
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr && cudnn.reason.empty()) {
      cudnn.reason = fmt::format("{} has no {}; {}", file, name, advice);
    }
  };
#define GNN_CUDNN_FIND(name) find(cudnn.api.name, #name);
  GNN_CUDNN_FUNCTIONS(GNN_CUDNN_FIND)
#undef GNN_CUDNN_FIND
  if (!cudnn.reason.empty()) return cudnn;
  const std::size_t version = cudnn.api.cudnnGetVersion();
  if (version / 10000 != CUDNN_MAJOR) {
    cudnn.reason = fmt::format("{} is cuDNN {}; {}", file, text_of(version), advice);
    return cudnn;
  }
  cudnn.version = text_of(version);
  return cudnn;
}

const Cudnn& cudnn() {
  static const Cudnn result = load();
  return result;
}

}  // namespace

const CudnnApi& cudnn_api() {
  check<DeviceError>(cudnn().reason.empty(), "{}: cuDNN cannot be used: {}", KernelScope::current(),
                     cudnn().reason);
  return cudnn().api;
}

void check_cudnn(cudnnStatus_t status, const char* call, const std::string& subject) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  const std::string text =
      fmt::format("{}: {} failed: {}{}{}", KernelScope::current(), call,
                  cudnn_api().cudnnGetErrorString(status), subject.empty() ? "" : " for ", subject);
  if (status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED) throw OutOfMemoryError(text);
  throw CudaError(text);
}

}  // namespace gnn::kernels

namespace gnn::cudnn {

bool is_available() {
  return kernels::cudnn().reason.empty();
}

std::string unavailable_reason() {
  return kernels::cudnn().reason;
}

std::string version() {
  return kernels::cudnn().version;
}

}  // namespace gnn::cudnn
