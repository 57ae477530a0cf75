#include "gnn/kernels/unary.h"

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/unary_math.h"

namespace gnn::kernels {
namespace {

template <class T, class F>
void forward(const Tensor& x, Tensor& y, F f) {
  const T* const in = x.data<T>();
  T* const out = y.mutable_data<T>();
  parallel_for<elementwise_isa<T>>(x.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
    const auto function = f;  // a copy that `out` cannot point to: otherwise nothing is vectorised
#pragma GCC ivdep
    for (std::int64_t i = begin; i < end; ++i) out[i] = function.value(in[i]);
  });
}

template <class T, class F>
void backward(const Tensor& saved, const Tensor& grad, Tensor& dx, F f) {
  const T* const in = saved.data<T>();
  const T* const g = grad.data<T>();
  T* const out = dx.mutable_data<T>();
  parallel_for<elementwise_isa<T>>(saved.numel(), elementwise_grain,
                                   [=](std::int64_t begin, std::int64_t end) {
                                     const auto function = f;
#pragma GCC ivdep
                                     for (std::int64_t i = begin; i < end; ++i)
                                       out[i] = g[i] * function.derivative(in[i]);
                                   });
}

}  // namespace

bool unary_saves_output(UnaryOp op) {
  return op == UnaryOp::exp || op == UnaryOp::expm1 || op == UnaryOp::reciprocal || op == UnaryOp::rsqrt ||
         op == UnaryOp::sqrt;
}

void Unary::cpu(UnaryOp op, const Tensor& x, Tensor& y) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    visit_unary<T>(op, [&](auto f) { forward<T>(x, y, f); });
  });
}

void UnaryBackward::cpu(UnaryOp op, const Tensor& saved, const Tensor& grad, Tensor& dx) {
  dispatch_floating(name, saved.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    visit_unary<T>(op, [&](auto f) { backward<T>(saved, grad, dx, f); });
  });
}

void Clamp::cpu(const Tensor& x, double low, double high, Tensor& y) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    forward<T>(x, y, ClampTo<T>{static_cast<T>(low), static_cast<T>(high)});
  });
}

void ClampBackward::cpu(const Tensor& x, double low, double high, const Tensor& grad, Tensor& dx) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    backward<T>(x, grad, dx, ClampTo<T>{static_cast<T>(low), static_cast<T>(high)});
  });
}

}  // namespace gnn::kernels
