#include "gnn/core/error.h"

#include "gnn/core/context.h"

namespace gnn {
namespace {

thread_local LayerScope* innermost_layer = nullptr;
thread_local const char* current_kernel = "";

std::string with_layer(const std::string& message) {
  const std::string path = LayerScope::path();
  return path.empty() ? message : message + " [in layer " + path + "]";
}

}  // namespace

Error::Error(const std::string& message) : std::runtime_error(with_layer(message)) {}

LayerScope::LayerScope(std::string_view name) : name_(name), outer_(innermost_layer) {
  innermost_layer = this;
}

LayerScope::~LayerScope() {
  innermost_layer = outer_;
}

std::string LayerScope::path() {
  std::string path;
  for (const LayerScope* scope = innermost_layer; scope != nullptr; scope = scope->outer_) {
    path = std::string(scope->name_) + (path.empty() ? "" : "." + path);
  }
  return path;
}

KernelScope::KernelScope(const char* name) : outer_(current_kernel) {
  current_kernel = name;
}

KernelScope::~KernelScope() {
  current_kernel = outer_;
}

const char* KernelScope::current() {
  return current_kernel;
}

}  // namespace gnn
