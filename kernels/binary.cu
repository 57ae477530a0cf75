#include "gnn/kernels/binary.h"
#include "gnn/kernels/binary_math.h"
#include "gnn/kernels/broadcast.cuh"

namespace gnn::kernels {

namespace {

template <class Math, class T>
__global__ void __launch_bounds__(elementwise_block)
    binary_kernel(BroadcastGroups layout, Operand<T> a, Operand<T> b, T* y) {
  constexpr int n = vector_width<T>;
  for (std::int64_t group = global_thread(); group < layout.groups; group += grid_threads()) {
    const auto place = layout.place(group);
    const auto p = a.template load<n>(place.a, layout.step_a, place.valid);
    const auto q = b.template load<n>(place.b, layout.step_b, place.valid);
    Vector<T, n> result;
#pragma unroll
    for (int i = 0; i < n; ++i) result[i] = Math::value(p[i], q[i]);
    store_vector(y + place.y, result, place.valid);
  }
}

/// da and db may be null.
template <class Math, class T>
__global__ void __launch_bounds__(elementwise_block)
    binary_backward_kernel(BroadcastGroups layout, Operand<T> a, Operand<T> b, const T* grad, T* da, T* db) {
  constexpr int n = vector_width<T>;
  for (std::int64_t group = global_thread(); group < layout.groups; group += grid_threads()) {
    const auto place = layout.place(group);
    const auto p = a.template load<n>(place.a, layout.step_a, place.valid);
    const auto q = b.template load<n>(place.b, layout.step_b, place.valid);
    const auto g = load_vector<n>(grad + place.y, place.valid);
    Vector<T, n> result;
    if (da != nullptr) {
#pragma unroll
      for (int i = 0; i < n; ++i) result[i] = Math::grad_a(p[i], q[i], g[i]);
      store_vector(da + place.y, result, place.valid);
    }
    if (db != nullptr) {
#pragma unroll
      for (int i = 0; i < n; ++i) result[i] = Math::grad_b(p[i], q[i], g[i]);
      store_vector(db + place.y, result, place.valid);
    }
  }
}

template <class T>
void launch_forward(BinaryOp op, Device device, const BroadcastLayout& layout, Operand<T> a, Operand<T> b,
                    T* y) {
  const BroadcastGroups groups(layout, vector_width<T>);
  dispatch_binary(op, [&](auto math) {
    launch(binary_kernel<decltype(math), T>, elementwise_grid(groups.groups), elementwise_block, 0, device,
           groups, a, b, y);
  });
}

template <class T>
void launch_backward(BinaryOp op, Device device, const BroadcastLayout& layout, Operand<T> a, Operand<T> b,
                     const T* grad, T* da, T* db) {
  const BroadcastGroups groups(layout, vector_width<T>);
  dispatch_binary(op, [&](auto math) {
    launch(binary_backward_kernel<decltype(math), T>, elementwise_grid(groups.groups), elementwise_block, 0,
           device, groups, a, b, grad, da, db);
  });
}

template <class T>
T* data_or_null(Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data<T>() : nullptr;
}

template <class T>
struct Add {
  __device__ T operator()(T a, T b) const { return a + b; }
};

}  // namespace

void Binary::cuda(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  detail::check_binary(name, a, b, y);
  const BroadcastLayout layout = broadcast_layout(a.shape(), b.shape(), y.shape());
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch_forward(op, y.device(), layout, Operand<T>{a.data<T>()}, Operand<T>{b.data<T>()},
                   y.mutable_data<T>());
  });
}

void BinaryBackward::cuda(BinaryOp op, const Tensor& a, const Tensor& b, const Tensor& grad, Tensor& da,
                          Tensor& db) {
  detail::check_binary(name, a, b, grad);
  detail::check_like(name, da, grad);
  detail::check_like(name, db, grad);
  const BroadcastLayout layout = broadcast_layout(a.shape(), b.shape(), grad.shape());
  dispatch_floating(name, grad.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch_backward(op, grad.device(), layout, Operand<T>{a.data<T>()}, Operand<T>{b.data<T>()},
                    grad.data<T>(), data_or_null<T>(da), data_or_null<T>(db));
  });
}

void BinaryScalar::cuda(BinaryOp op, const Tensor& x, double scalar, bool scalar_first, Tensor& y) {
  detail::check_like(name, y, x);
  const Shape flat{x.numel()};
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const BroadcastLayout layout = broadcast_layout(flat, flat, flat);
    Operand<T> a{x.data<T>()};
    Operand<T> b{nullptr, static_cast<T>(scalar)};
    if (scalar_first) std::swap(a, b);
    launch_forward(op, y.device(), layout, a, b, y.mutable_data<T>());
  });
}

void BinaryScalarBackward::cuda(BinaryOp op, const Tensor& x, double scalar, bool scalar_first,
                                const Tensor& grad, Tensor& dx) {
  detail::check_like(name, grad, x);
  detail::check_like(name, dx, x);
  const Shape flat{x.numel()};
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const BroadcastLayout layout = broadcast_layout(flat, flat, flat);
    Operand<T> a{x.data<T>()};
    Operand<T> b{nullptr, static_cast<T>(scalar)};
    if (scalar_first) std::swap(a, b);
    T* const target = dx.mutable_data<T>();
    launch_backward(op, x.device(), layout, a, b, grad.data<T>(), scalar_first ? nullptr : target,
                    scalar_first ? target : nullptr);
  });
}

void AddInPlace::cuda(Tensor& y, const Tensor& x) {
  detail::check_like(name, x, y);
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const target = y.mutable_data<T>();
    launch_elementwise(y.device(), y.numel(), Add<T>{}, target, static_cast<const T*>(target), x.data<T>());
  });
}

}  // namespace gnn::kernels
