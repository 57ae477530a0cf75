#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gnn/core/device.h"
#include "gnn/core/dtype.h"
#include "gnn/core/export.h"
#include "gnn/core/shape.h"
#include "gnn/core/stream.h"

namespace gnn {

class Node;  // a recorded operation, see autograd/tape.h
struct TensorImpl;
struct AutogradMeta;

/// Where and of what type a new tensor is: empty({2, 3}, {.dtype = DType::float64}).
struct TensorOptions {
  DType dtype = DType::float32;
  Device device = Device::cpu();
};

/// An n-dimensional array: a cheap handle to reference-counted memory; copies of a Tensor are the same
/// tensor.
///
/// Elements are row-major and contiguous, always: there are no strides. Views (reshape, slices of the leading
/// dimension) share memory and exist only where the result is contiguous; transposing is an operation or a
/// GEMM flag. A default-constructed Tensor is "undefined" and stands for "none" (no bias, no gradient).
///
/// A tensor with requires_grad() is a leaf of the tape: operations on it are recorded and backward() fills
/// its grad(). Work on a CUDA tensor is asynchronous; only copying to the host (item, to_vector, copy_from
/// onto a CPU tensor) and synchronize() wait for it.
class GNN_API Tensor {
 public:
  Tensor() = default;

  bool defined() const { return impl_ != nullptr; }
  explicit operator bool() const { return defined(); }
  /// True when both handles are the same tensor.
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  // All of the following throw ValueError on an undefined tensor.
  const Shape& shape() const;
  std::size_t dim() const { return shape().dim(); }
  /// Size of dimension `axis`; negative counts from the end. Throws IndexError out of range.
  std::int64_t size(std::int64_t axis) const { return shape().size(axis); }
  std::int64_t numel() const { return shape().numel(); }
  DType dtype() const;
  Device device() const;
  /// Bytes of the elements: numel() * size_of(dtype()).
  std::size_t nbytes() const;
  TensorOptions options() const { return {dtype(), device()}; }

  /// The elements, in host or device memory; nullptr for an empty tensor. Throws DTypeError when T is not the
  /// tensor's element type.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(checked_data(dtype_of<T>));
  }
  /// The same for writing; counts as an in-place change (see version()).
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(mutable_checked_data(dtype_of<T>));
  }
  const void* raw_data() const;
  void* mutable_raw_data();

  /// The only element, whatever its dtype, as a double (int64 beyond 2^53 is rounded); waits for the device.
  /// Throws ShapeError unless numel() == 1.
  double item() const;
  /// All elements, copied to the host in row-major order; waits for the device. T must be the element type.
  template <class T>
  std::vector<T> to_vector() const {
    std::vector<T> values(static_cast<std::size_t>(numel()));
    copy_to_host(dtype_of<T>, values.data());
    return values;
  }
  /// All elements converted to double, copied to the host.
  std::vector<double> to_doubles() const;
  /// Copies the elements of `source` into this tensor, in place: same shape and dtype, any device. Not
  /// recorded on the tape. Asynchronous unless the target is on the host and the source is not.
  void copy_from(const Tensor& source);

  /// A tensor on the same memory with another shape of the same numel, starting `offset` elements in; neither
  /// recorded nor tracked. Differentiable: reshape() and slice().
  Tensor alias(const Shape& shape, std::int64_t offset = 0) const;
  /// The same memory without history: a constant for the tape.
  Tensor detach() const;
  /// True when no other tensor shares this memory.
  bool owns_memory_alone() const;
  /// Number of in-place changes to the memory so far, over all views.
  std::uint64_t version() const;
  /// Tells the allocator that work on `stream` uses this memory too (see core/allocator.h).
  void record_stream(const Stream& stream) const;
  /// Makes this tensor, for all handles, hold the memory, dtype and device of `other`, which has the same
  /// shape; for moving parameters between devices and dtypes. The gradient is dropped.
  void set_data(const Tensor& other);

  /// True when gradients flow through this tensor: a leaf that asked for it, or a result computed from one.
  bool requires_grad() const;
  /// Makes a leaf collect a gradient, or not; returns *this. Throws AutogradError for a result of an
  /// operation and DTypeError for an integer tensor.
  Tensor& set_requires_grad(bool on = true);
  /// True for a tensor that is not the recorded result of an operation.
  bool is_leaf() const;
  /// The gradient collected by backward(); undefined when there is none.
  const Tensor& grad() const;
  /// Replaces the gradient; undefined clears it. Throws ShapeError or DTypeError when it does not match.
  void set_grad(const Tensor& grad);
  /// Computes the gradient of this tensor with respect to every leaf it was computed from and adds it to
  /// their grad(). `grad` is the gradient of this tensor, by default 1, which needs a tensor of one element.
  /// Frees the tape as it goes unless `retain_graph`. Defined in autograd/backward.cpp.
  void backward(const Tensor& grad = {}, bool retain_graph = false) const;
  /// Calls `hook` whenever a backward() has completed this leaf's gradient, with the sum over the whole pass;
  /// a defined result replaces it. Returns an id for remove_hook. Throws AutogradError unless it is a leaf
  /// that requires a gradient.
  int register_hook(std::function<Tensor(const Tensor& grad)> hook);
  void remove_hook(int id);

  /// "Tensor([2, 3], float32, cuda:0)".
  std::string to_string() const;

 private:
  friend struct TensorAccess;
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}
  const TensorImpl& impl() const;
  TensorImpl& impl();
  const void* checked_data(DType dtype) const;
  void* mutable_checked_data(DType dtype);
  void copy_to_host(DType dtype, void* target) const;

  std::shared_ptr<TensorImpl> impl_;
};

/// A new tensor with undefined contents. Throws OutOfMemoryError; DeviceError for an unusable device.
GNN_API Tensor empty(const Shape& shape, const TensorOptions& options = {});
/// empty() of the same shape, dtype and device.
GNN_API Tensor empty_like(const Tensor& tensor);
/// A new tensor of zeros.
GNN_API Tensor zeros(const Shape& shape, const TensorOptions& options = {});
/// zeros() of the same shape, dtype and device.
GNN_API Tensor zeros_like(const Tensor& tensor);
/// A new tensor with a copy of the values; throws ShapeError when their number is not shape.numel().
template <class T>
Tensor from_values(std::span<const T> values, const Shape& shape, Device device = Device::cpu());
template <class T>
Tensor from_values(const std::vector<T>& values, const Shape& shape, Device device = Device::cpu()) {
  return from_values(std::span<const T>(values), shape, device);
}
template <class T>
Tensor from_values(std::initializer_list<T> values, const Shape& shape, Device device = Device::cpu()) {
  return from_values(std::span<const T>(values.begin(), values.size()), shape, device);
}
/// A tensor on memory that somebody else owns, of the CPU or of a CUDA device: `release` is called when the
/// last view is gone. Work on a CUDA device may still be queued then: whoever takes the memory back waits.
/// Throws ValueError for a null pointer, unless the tensor is empty.
GNN_API Tensor from_memory(void* data, const Shape& shape, DType dtype, std::function<void()> release,
                           Device device = Device::cpu());
/// A CPU tensor in pinned memory, from which copies to a CUDA device are asynchronous; ordinary memory where
/// no CUDA device is available.
GNN_API Tensor empty_pinned(const Shape& shape, DType dtype);

namespace detail {
GNN_API Tensor from_host(const void* data, std::size_t count, const Shape& shape, DType dtype, Device device);
}

template <class T>
Tensor from_values(std::span<const T> values, const Shape& shape, Device device) {
  return detail::from_host(values.data(), values.size(), shape, dtype_of<T>, device);
}

}  // namespace gnn
