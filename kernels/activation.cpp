#include "gnn/kernels/activation.h"

#include "gnn/kernels/activation_math.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

void ActivationForward::cpu(const Tensor& x, Tensor& y, Activation kind,
                            const ActivationParameters& parameters) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    visit_activation<T>(kind, parameters, [=, count = x.numel()](auto f) {
      parallel_for<elementwise_isa<T>>(count, elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
        const auto function = f;  // a copy that `out` cannot point to: otherwise nothing is vectorised
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; ++i) out[i] = function.value(in[i]);
      });
    });
  });
}

void ActivationBackward::cpu(const Tensor& saved, const Tensor& dy, Tensor& dx, Activation kind,
                             const ActivationParameters& parameters) {
  dispatch_floating(name, saved.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = saved.data<T>();
    const T* grad = dy.data<T>();
    T* out = dx.mutable_data<T>();
    visit_activation<T>(kind, parameters, [=, count = saved.numel()](auto f) {
      parallel_for<elementwise_isa<T>>(count, elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
        const auto function = f;
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; ++i) out[i] = grad[i] * function.derivative(in[i]);
      });
    });
  });
}

}  // namespace gnn::kernels
