#pragma once

#include "gnn/kernels/elementwise_loss.h"
#include "gnn/kernels/reduce.cuh"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {

template <class T, class Error>
struct LoadError {
  const T* x;
  const T* t;
  __device__ T operator()(std::int64_t i) const { return Error{}.value(x[i] - t[i]); }
};

template <class T, class Error>
struct ScaledError {
  T scale;
  __device__ T operator()(T x, T t) const { return scale * Error{}.value(x - t); }
};

template <template <class> class Error>
void elementwise_loss_cuda(const char* name, const Tensor& input, const Tensor& target, double scale,
                           Tensor& loss) {
  check_elementwise_loss(name, input, target, loss, {}, {});
  dispatch_floating(name, input.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const x = input.data<T>();
    const T* const t = target.data<T>();
    T* const out = loss.mutable_data<T>();
    if (loss.numel() == input.numel()) {
      launch_elementwise(input.device(), input.numel(), ScaledError<T, Error<T>>{static_cast<T>(scale)}, out,
                         x, t);
    } else {
      using Load = LoadError<T, Error<T>>;
      reduce_cuda(SumOp<T, Load>{{x, t}, scale, out}, {1, input.numel(), 1}, input.device());
    }
  });
}

// dx and dt may be null; dy has one element where `scalar`.
template <class T, class Error>
__global__ void __launch_bounds__(elementwise_block)
    elementwise_loss_backward_kernel(const T* x, const T* t, const T* dy, bool scalar, T scale,
                                     std::int64_t count, T* dx, T* dt) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
    const T gradient = scale * dy[scalar ? 0 : i] * Error{}.derivative(x[i] - t[i]);
    if (dx != nullptr) dx[i] = gradient;
    if (dt != nullptr) dt[i] = -gradient;
  }
}

template <template <class> class Error>
void elementwise_loss_backward_cuda(const char* name, const Tensor& input, const Tensor& target,
                                    const Tensor& grad, double scale, Tensor& dinput, Tensor& dtarget) {
  check_elementwise_loss(name, input, target, grad, dinput, dtarget);
  dispatch_floating(name, input.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(elementwise_loss_backward_kernel<T, Error<T>>, elementwise_grid(input.numel()), elementwise_block,
           0, input.device(), input.data<T>(), target.data<T>(), grad.data<T>(), grad.numel() == 1,
           static_cast<T>(scale), input.numel(), dinput.defined() ? dinput.mutable_data<T>() : nullptr,
           dtarget.defined() ? dtarget.mutable_data<T>() : nullptr);
  });
}

}  // namespace gnn::kernels
