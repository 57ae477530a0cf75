#include "gnn/kernels/activation.h"

#include "gnn/kernels/activation_math.h"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {
namespace {

// Named functors rather than lambdas: device code only, so that the host compiler of the emulated build takes
// them.
template <class T, class F>
struct Forward {
  F f;
  __device__ T operator()(T x) const { return f.value(x); }
};

template <class T, class F>
struct Backward {
  F f;
  __device__ T operator()(T saved, T dy) const { return dy * f.derivative(saved); }
};

}  // namespace

void ActivationForward::cuda(const Tensor& x, Tensor& y, Activation kind,
                             const ActivationParameters& parameters) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    visit_activation<T>(kind, parameters, [&](auto f) {
      launch_elementwise(x.device(), x.numel(), Forward<T, decltype(f)>{f}, y.mutable_data<T>(), x.data<T>());
    });
  });
}

void ActivationBackward::cuda(const Tensor& saved, const Tensor& dy, Tensor& dx, Activation kind,
                              const ActivationParameters& parameters) {
  dispatch_floating(name, saved.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    visit_activation<T>(kind, parameters, [&](auto f) {
      launch_elementwise(saved.device(), saved.numel(), Backward<T, decltype(f)>{f}, dx.mutable_data<T>(),
                         saved.data<T>(), dy.data<T>());
    });
  });
}

}  // namespace gnn::kernels
