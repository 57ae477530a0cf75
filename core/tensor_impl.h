#pragma once

// What a Tensor points to. Not installed: only core/ and autograd/ look inside, and the garbage
// collection of the Python bindings.

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

/// A block of memory, shared by all views of it.
struct Storage {
  Storage(Device device, std::size_t bytes);
  Storage(void* data, std::size_t bytes, Device device, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data = nullptr;
  std::size_t bytes = 0;
  Device device;
  std::function<void()> release;  // set: the memory belongs to somebody else
  std::atomic<std::uint64_t> version{0};
};

/// A tensor's place on the tape.
struct AutogradMeta {
  bool requires_grad = false;  // of a leaf
  Tensor grad;
  std::shared_ptr<Node> node;  // of a result: the operation that made it
  std::vector<std::pair<int, std::function<Tensor(const Tensor&)>>> hooks;
  int next_hook = 0;
};

struct TensorImpl {
  std::shared_ptr<Storage> storage;
  std::size_t offset = 0;  // bytes
  Shape shape;
  DType dtype = DType::float32;
  AutogradMeta autograd;

  void* data() const {
    return storage->data == nullptr ? nullptr : static_cast<std::byte*>(storage->data) + offset;
  }
};

/// Lets core/ and autograd/ go from handle to TensorImpl and back.
struct TensorAccess {
  static const std::shared_ptr<TensorImpl>& impl(const Tensor& tensor) { return tensor.impl_; }
  static Tensor wrap(std::shared_ptr<TensorImpl> impl) { return Tensor(std::move(impl)); }
};

}  // namespace gnn
