#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "gnn/core/config.h"
#include "gnn/core/context.h"
#include "gnn/core/device.h"
#include "gnn/core/tensor.h"

// A kernel is a struct: the contract is its comment, `name` names it in errors and reports, cpu() is defined
// in STEM.cpp and cuda() in STEM.cu:
//
//   struct GNN_API ReluForward {
//     static constexpr const char* name = "relu_forward";
//     static void cpu(const Tensor& x, Tensor& y);
//     static void cuda(const Tensor& x, Tensor& y);
//   };
//
// run<ReluForward>(x, y) picks the back end by the tensors' device. Kernels write into tensors that the
// caller allocated, know nothing of the tape, and check what would make them read or write out of bounds;
// user-facing validation with user-facing words is in layers/. A kernel without cuda() does not link in a
// CUDA build.

namespace gnn::kernels {

/// Finds the device that all defined tensors among a kernel's arguments share.
class GNN_API DeviceOf {
 public:
  explicit DeviceOf(const char* kernel) : kernel_(kernel) {}
  void see(const Tensor& tensor);
  void see(std::span<const Tensor> tensors) {
    for (const Tensor& tensor : tensors) see(tensor);
  }
  void see(const std::vector<Tensor>& tensors) { see(std::span<const Tensor>(tensors)); }
  template <class Parameter>
  void see(const Parameter&) {}  // sizes, strides, scalars …
  /// Throws DeviceError when they were on different devices (already in see) or there was none.
  Device get() const;

 private:
  const char* kernel_;
  Device device_;
  bool found_ = false;
};

/// Runs `Kernel` on the device of its tensors. Throws DeviceError when they are on different devices.
template <class Kernel, class... Args>
void run(Args&&... args) {
  DeviceOf device(Kernel::name);
  (device.see(args), ...);
  const KernelScope scope(Kernel::name);
  if (device.get().is_cpu()) {
    Kernel::cpu(std::forward<Args>(args)...);
    return;
  }
  if constexpr (built_with_cuda) Kernel::cuda(std::forward<Args>(args)...);
}

}  // namespace gnn::kernels
