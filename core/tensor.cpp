#include "gnn/core/tensor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "gnn/core/allocator.h"
#include "gnn/core/backend.h"
#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/core/tensor_impl.h"

namespace gnn {

Storage::Storage(Device where, std::size_t size)
    : data(detail::allocate(where, size, Stream::current(where))), bytes(size), device(where) {}

Storage::Storage(void* memory, std::size_t size, Device where, std::function<void()> give_back)
    : data(memory), bytes(size), device(where), release(std::move(give_back)) {}

Storage::~Storage() {
  if (release) {
    release();
  } else {
    detail::deallocate(device, data);
  }
}

namespace {

Tensor make_tensor(std::shared_ptr<Storage> storage, std::size_t offset, const Shape& shape, DType dtype) {
  auto impl = std::make_shared<TensorImpl>();
  impl->storage = std::move(storage);
  impl->offset = offset;
  impl->shape = shape;
  impl->dtype = dtype;
  return TensorAccess::wrap(std::move(impl));
}

void* native_stream(Device device) {
  return Stream::current(device).native();
}

/// Copies bytes between any two devices, in order on the current stream of the one that is not the CPU.
void copy_bytes(void* target, Device target_device, const void* source, Device source_device,
                std::size_t bytes) {
  if (bytes == 0) return;
  if (const Capture* capture = Capture::current()) {
    check<CaptureError>(source_device == capture->device() && target_device == capture->device(),
                        "a copy from {} to {} cannot be part of a captured step, which is recorded once and "
                        "then runs on {} alone",
                        source_device, target_device, capture->device());
  }
  if (source_device == target_device) {
    backend(target_device).copy(target_device.index, target, source, bytes, native_stream(target_device));
  } else if (source_device.is_cpu()) {
    backend(target_device)
        .copy_from_host(target_device.index, target, source, bytes, native_stream(target_device));
  } else if (target_device.is_cpu()) {
    backend(source_device)
        .copy_to_host(source_device.index, target, source, bytes, native_stream(source_device));
  } else {
    // Peers: the target's stream waits for the source's work, copies, and holds the source's later work back.
    Event ready(source_device);
    ready.record(Stream::current(source_device));
    ready.wait(Stream::current(target_device));
    backend(target_device)
        .copy_peer(target_device.index, target, source_device.index, source, bytes,
                   native_stream(target_device));
    Event copied(target_device);
    copied.record(Stream::current(target_device));
    copied.wait(Stream::current(source_device));
  }
}

}  // namespace

const TensorImpl& Tensor::impl() const {
  check<ValueError>(defined(), "an undefined tensor was used where one with elements is needed");
  return *impl_;
}

TensorImpl& Tensor::impl() {
  check<ValueError>(defined(), "an undefined tensor was used where one with elements is needed");
  return *impl_;
}

const Shape& Tensor::shape() const {
  return impl().shape;
}

DType Tensor::dtype() const {
  return impl().dtype;
}

Device Tensor::device() const {
  return impl().storage->device;
}

std::size_t Tensor::nbytes() const {
  return static_cast<std::size_t>(numel()) * size_of(dtype());
}

const void* Tensor::raw_data() const {
  return impl().data();
}

void* Tensor::mutable_raw_data() {
  TensorImpl& self = impl();
  self.storage->version.fetch_add(1, std::memory_order_relaxed);
  return self.data();
}

const void* Tensor::checked_data(DType dtype) const {
  const TensorImpl& self = impl();
  check<DTypeError>(self.dtype == dtype, "data: the tensor holds {}, not {}", self.dtype, dtype);
  return self.data();
}

void* Tensor::mutable_checked_data(DType dtype) {
  check<DTypeError>(impl().dtype == dtype, "mutable_data: the tensor holds {}, not {}", impl().dtype, dtype);
  return mutable_raw_data();
}

void Tensor::copy_to_host(DType dtype, void* target) const {
  forbid_in_capture("reading a tensor's elements on the host (to_vector, to_doubles)", waits_for_device);
  copy_bytes(target, Device::cpu(), checked_data(dtype), device(), nbytes());
}

std::vector<double> Tensor::to_doubles() const {
  return dispatch_all("to_doubles", dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    std::vector<double> doubles;
    doubles.reserve(static_cast<std::size_t>(numel()));
    for (const T value : to_vector<T>()) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        doubles.push_back(static_cast<double>(static_cast<float>(value)));
      } else {
        doubles.push_back(static_cast<double>(value));
      }
    }
    return doubles;
  });
}

double Tensor::item() const {
  check<ShapeError>(numel() == 1, "item: expected a tensor of one element, got shape {}", shape());
  forbid_in_capture("item", waits_for_device);
  return to_doubles()[0];
}

void Tensor::copy_from(const Tensor& source) {
  check<ShapeError>(shape() == source.shape(), "copy_from: expected shape {}, got {}", shape(),
                    source.shape());
  check<DTypeError>(dtype() == source.dtype(), "copy_from: expected {}, got {}", dtype(), source.dtype());
  copy_bytes(mutable_raw_data(), device(), source.raw_data(), source.device(), nbytes());
}

Tensor Tensor::alias(const Shape& shape, std::int64_t offset) const {
  const TensorImpl& self = impl();
  const std::size_t start = self.offset + static_cast<std::size_t>(offset) * size_of(self.dtype);
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * size_of(self.dtype);
  check<ShapeError>(offset >= 0 && start + bytes <= self.storage->bytes,
                    "alias: shape {} at element {} does not fit into the memory of shape {}", shape, offset,
                    self.shape);
  return make_tensor(self.storage, start, shape, self.dtype);
}

Tensor Tensor::detach() const {
  const TensorImpl& self = impl();
  return make_tensor(self.storage, self.offset, self.shape, self.dtype);
}

bool Tensor::owns_memory_alone() const {
  return impl_.use_count() == 1 && impl().storage.use_count() == 1 && !impl().storage->release;
}

std::uint64_t Tensor::version() const {
  return impl().storage->version.load(std::memory_order_relaxed);
}

void Tensor::record_stream(const Stream& stream) const {
  detail::record_stream(device(), impl().storage->data, stream);
}

void Tensor::set_data(const Tensor& other) {
  TensorImpl& self = impl();
  const TensorImpl& source = other.impl();
  check<ShapeError>(self.shape == source.shape, "set_data: expected shape {}, got {}", self.shape,
                    source.shape);
  check<AutogradError>(is_leaf(), "set_data: only leaves can be given other memory");
  check<DTypeError>(!self.autograd.requires_grad || is_floating(source.dtype),
                    "set_data: a tensor that requires a gradient cannot become {}", source.dtype);
  self.storage = source.storage;
  self.offset = source.offset;
  self.dtype = source.dtype;
  self.autograd.grad = {};
}

bool Tensor::requires_grad() const {
  const AutogradMeta& meta = impl().autograd;
  return meta.requires_grad || meta.node != nullptr;
}

Tensor& Tensor::set_requires_grad(bool on) {
  AutogradMeta& meta = impl().autograd;
  check<AutogradError>(meta.node == nullptr,
                       "set_requires_grad: this tensor is the result of an operation; use detach() first");
  check<DTypeError>(!on || is_floating(dtype()),
                    "set_requires_grad: only floating-point tensors have gradients, got {}", dtype());
  meta.requires_grad = on;
  if (!on) meta.grad = {};
  return *this;
}

bool Tensor::is_leaf() const {
  return impl().autograd.node == nullptr;
}

const Tensor& Tensor::grad() const {
  return impl().autograd.grad;
}

void Tensor::set_grad(const Tensor& grad) {
  AutogradMeta& meta = impl().autograd;
  if (grad.defined()) {
    check<ShapeError>(grad.shape() == shape(), "set_grad: expected shape {}, got {}", shape(), grad.shape());
    check<DTypeError>(grad.dtype() == dtype(), "set_grad: expected {}, got {}", dtype(), grad.dtype());
    check<DeviceError>(grad.device() == device(), "set_grad: expected a tensor on {}, got {}", device(),
                       grad.device());
  }
  // Without history, and never the tensor itself: through either it would keep itself alive.
  meta.grad = grad.defined() && (grad.is_same(*this) || grad.requires_grad()) ? grad.detach() : grad;
}

int Tensor::register_hook(std::function<Tensor(const Tensor&)> hook) {
  AutogradMeta& meta = impl().autograd;
  check<AutogradError>(meta.requires_grad && meta.node == nullptr,
                       "register_hook: only leaves that require a gradient have hooks");
  check<ValueError>(hook != nullptr, "register_hook: expected a function, got none");
  meta.hooks.emplace_back(meta.next_hook, std::move(hook));
  return meta.next_hook++;
}

void Tensor::remove_hook(int id) {
  std::erase_if(impl().autograd.hooks, [id](const auto& hook) { return hook.first == id; });
}

std::string Tensor::to_string() const {
  if (!defined()) return "Tensor(undefined)";
  return fmt::format("Tensor({}, {}, {})", shape(), dtype(), device());
}

Tensor empty(const Shape& shape, const TensorOptions& options) {
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * size_of(options.dtype);
  return make_tensor(std::make_shared<Storage>(options.device, bytes), 0, shape, options.dtype);
}

Tensor empty_like(const Tensor& tensor) {
  return empty(tensor.shape(), tensor.options());
}

Tensor zeros(const Shape& shape, const TensorOptions& options) {
  Tensor tensor = empty(shape, options);
  if (tensor.nbytes() != 0) {
    backend(options.device)
        .fill_bytes(options.device.index, tensor.mutable_raw_data(), 0, tensor.nbytes(),
                    native_stream(options.device));
  }
  return tensor;
}

Tensor zeros_like(const Tensor& tensor) {
  return zeros(tensor.shape(), tensor.options());
}

Tensor from_memory(void* data, const Shape& shape, DType dtype, std::function<void()> release,
                   Device device) {
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  check<ValueError>(data != nullptr || bytes == 0,
                    "from_memory: expected {} bytes of memory, got a null pointer", bytes);
  if (!release) release = [] {};
  return make_tensor(std::make_shared<Storage>(data, bytes, device, std::move(release)), 0, shape, dtype);
}

Tensor empty_pinned(const Shape& shape, DType dtype) {
  if (!cuda::is_available()) return empty(shape, {.dtype = dtype});
  Backend& driver = backend(Device::cuda(0));
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  if (bytes == 0) return empty(shape, {.dtype = dtype});
  void* data = driver.allocate_pinned(bytes);
  check<OutOfMemoryError>(data != nullptr, "empty_pinned: no pinned memory of {} bytes left", bytes);
  return from_memory(data, shape, dtype, [&driver, data] { driver.deallocate_pinned(data); });
}

namespace detail {

Tensor from_host(const void* data, std::size_t count, const Shape& shape, DType dtype, Device device) {
  check<ShapeError>(count == static_cast<std::size_t>(shape.numel()),
                    "from_values: {} values do not fill shape {}", count, shape);
  Tensor tensor = empty(shape, {dtype, device});
  copy_bytes(tensor.mutable_raw_data(), device, data, Device::cpu(), tensor.nbytes());
  // The caller's memory may be gone or changed when a queued copy runs.
  if (!device.is_cpu()) Stream::current(device).synchronize();
  return tensor;
}

}  // namespace detail
}  // namespace gnn
