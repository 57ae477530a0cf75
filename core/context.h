#pragma once

#include <string>
#include <string_view>

#include "gnn/core/export.h"

namespace gnn {

/// While one of these is alive, errors thrown on this thread end in "[in layer A.B.C]". Module::operator()
/// opens one per layer; `name` must outlive it.
class GNN_API LayerScope {
 public:
  explicit LayerScope(std::string_view name);
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

  /// The names of the open scopes of this thread, outermost first, joined by dots; empty outside any.
  static std::string path();

 private:
  std::string_view name_;
  LayerScope* outer_;
};

/// While one of these is alive, CUDA errors on this thread name the kernel struct being run.
class GNN_API KernelScope {
 public:
  explicit KernelScope(const char* name);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

  /// Name of the innermost running kernel of this thread, or "" outside any.
  static const char* current();

 private:
  const char* outer_;
};

}  // namespace gnn
