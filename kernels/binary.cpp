#include "gnn/kernels/binary.h"

#include "gnn/core/check.h"
#include "gnn/kernels/binary_math.h"
#include "gnn/kernels/broadcast_loops.h"

namespace gnn::kernels {

namespace {

enum class Quantity { value, grad_a, grad_b };

/// out[i] = one of the op's quantities. Tensors and scalars share these loops: there are many of them.
template <class T, class Math, Quantity quantity>
void apply(const BroadcastLayout& layout, std::int64_t count, const T* a, const T* b, const T* g, T* out) {
  for_each_pair(layout, count, a, b, [out, g](std::int64_t i, T p, T q) {
    if constexpr (quantity == Quantity::value) {
      out[i] = Math::value(p, q);
    } else if constexpr (quantity == Quantity::grad_a) {
      out[i] = Math::grad_a(p, q, g[i]);
    } else {
      out[i] = Math::grad_b(p, q, g[i]);
    }
  });
}

/// The layout of x and one scalar; which of the two comes first is the caller's business.
BroadcastLayout scalar_layout(const Tensor& x, bool scalar_first) {
  const Shape flat{x.numel()};
  const Shape one{};
  return scalar_first ? broadcast_layout(one, flat, flat) : broadcast_layout(flat, one, flat);
}

}  // namespace

namespace detail {

void check_like(const char* kernel, const Tensor& tensor, const Tensor& like) {
  if (!tensor.defined()) return;
  check<ShapeError>(tensor.shape() == like.shape(), "{}: expected shape {}, got {}", kernel, like.shape(),
                    tensor.shape());
  check<DTypeError>(tensor.dtype() == like.dtype(), "{}: expected {}, got {}", kernel, like.dtype(),
                    tensor.dtype());
}

void check_binary(const char* kernel, const Tensor& a, const Tensor& b, const Tensor& y) {
  check<ShapeError>(broadcast_shapes(kernel, a.shape(), b.shape()) == y.shape(),
                    "{}: shapes {} and {} do not give {}", kernel, a.shape(), b.shape(), y.shape());
  check<DTypeError>(a.dtype() == b.dtype() && a.dtype() == y.dtype(),
                    "{}: expected one dtype, got {}, {} and {}", kernel, a.dtype(), b.dtype(), y.dtype());
}

}  // namespace detail

void Binary::cpu(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  detail::check_binary(name, a, b, y);
  const BroadcastLayout layout = broadcast_layout(a.shape(), b.shape(), y.shape());
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    dispatch_binary(op, [&](auto math) {
      apply<T, decltype(math), Quantity::value>(layout, y.numel(), a.data<T>(), b.data<T>(), nullptr,
                                                y.mutable_data<T>());
    });
  });
}

void BinaryBackward::cpu(BinaryOp op, const Tensor& a, const Tensor& b, const Tensor& grad, Tensor& da,
                         Tensor& db) {
  detail::check_binary(name, a, b, grad);
  detail::check_like(name, da, grad);
  detail::check_like(name, db, grad);
  const BroadcastLayout layout = broadcast_layout(a.shape(), b.shape(), grad.shape());
  dispatch_floating(name, grad.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const g = grad.data<T>();
    dispatch_binary(op, [&](auto math) {
      // One pass each: only pow would gain from sharing, and it is bound by computing.
      if (da.defined()) {
        apply<T, decltype(math), Quantity::grad_a>(layout, grad.numel(), a.data<T>(), b.data<T>(), g,
                                                   da.mutable_data<T>());
      }
      if (db.defined()) {
        apply<T, decltype(math), Quantity::grad_b>(layout, grad.numel(), a.data<T>(), b.data<T>(), g,
                                                   db.mutable_data<T>());
      }
    });
  });
}

void BinaryScalar::cpu(BinaryOp op, const Tensor& x, double scalar, bool scalar_first, Tensor& y) {
  detail::check_like(name, y, x);
  const BroadcastLayout layout = scalar_layout(x, scalar_first);
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T value = static_cast<T>(scalar);
    dispatch_binary(op, [&](auto math) {
      const T* const in = x.data<T>();
      T* const out = y.mutable_data<T>();
      apply<T, decltype(math), Quantity::value>(layout, y.numel(), scalar_first ? &value : in,
                                                scalar_first ? in : &value, nullptr, out);
    });
  });
}

void BinaryScalarBackward::cpu(BinaryOp op, const Tensor& x, double scalar, bool scalar_first,
                               const Tensor& grad, Tensor& dx) {
  detail::check_like(name, grad, x);
  detail::check_like(name, dx, x);
  const BroadcastLayout layout = scalar_layout(x, scalar_first);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T value = static_cast<T>(scalar);
    dispatch_binary(op, [&](auto math) {
      const T* const in = x.data<T>();
      const T* const g = grad.data<T>();
      T* const out = dx.mutable_data<T>();
      if (scalar_first) {
        apply<T, decltype(math), Quantity::grad_b>(layout, x.numel(), &value, in, g, out);
      } else {
        apply<T, decltype(math), Quantity::grad_a>(layout, x.numel(), in, &value, g, out);
      }
    });
  });
}

void AddInPlace::cpu(Tensor& y, const Tensor& x) {
  detail::check_like(name, x, y);
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const to = y.mutable_data<T>();
    const T* const from = x.data<T>();
    parallel_for<elementwise_isa<T>>(y.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep
      for (std::int64_t i = begin; i < end; ++i) to[i] += from[i];
    });
  });
}

}  // namespace gnn::kernels
