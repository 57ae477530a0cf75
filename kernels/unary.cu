#include "gnn/kernels/unary.h"

#include "gnn/kernels/unary_math.h"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {
namespace {

template <class T, class F>
struct Value {
  F f;
  __device__ T operator()(T x) const { return f.value(x); }
};

template <class T, class F>
struct Derivative {
  F f;
  __device__ T operator()(T saved, T g) const { return g * f.derivative(saved); }
};

template <class T, class F>
void forward(const Tensor& x, Tensor& y, F f) {
  launch_elementwise(x.device(), x.numel(), Value<T, F>{f}, y.mutable_data<T>(), x.data<T>());
}

template <class T, class F>
void backward(const Tensor& saved, const Tensor& grad, Tensor& dx, F f) {
  launch_elementwise(saved.device(), saved.numel(), Derivative<T, F>{f}, dx.mutable_data<T>(),
                     saved.data<T>(), grad.data<T>());
}

}  // namespace

void Unary::cuda(UnaryOp op, const Tensor& x, Tensor& y) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    visit_unary<T>(op, [&](auto f) { forward<T>(x, y, f); });
  });
}

void UnaryBackward::cuda(UnaryOp op, const Tensor& saved, const Tensor& grad, Tensor& dx) {
  dispatch_floating(name, saved.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    visit_unary<T>(op, [&](auto f) { backward<T>(saved, grad, dx, f); });
  });
}

void Clamp::cuda(const Tensor& x, double low, double high, Tensor& y) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    forward<T>(x, y, ClampTo<T>{static_cast<T>(low), static_cast<T>(high)});
  });
}

void ClampBackward::cuda(const Tensor& x, double low, double high, const Tensor& grad, Tensor& dx) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    backward<T>(x, grad, dx, ClampTo<T>{static_cast<T>(low), static_cast<T>(high)});
  });
}

}  // namespace gnn::kernels
