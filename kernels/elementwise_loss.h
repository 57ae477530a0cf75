#pragma once

// What losses of single elements, f(input - target), have in common: for both back ends their maths, for the
// CPU their loops. Not installed.

#include <cstdint>

#include "gnn/core/tensor.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/reduce_loops.h"

namespace gnn::kernels {

template <class T>
struct SquaredError {
  GNN_HD T value(T difference) const { return difference * difference; }
  GNN_HD T derivative(T difference) const { return T(2) * difference; }
};

template <class T>
struct AbsoluteError {
  GNN_HD T value(T difference) const { return difference < T(0) ? -difference : difference; }
  /// 0 at 0; NaN stays NaN.
  GNN_HD T derivative(T difference) const {
    return difference > T(0) ? T(1) : (difference < T(0) ? T(-1) : difference);
  }
};

/// Throws ShapeError unless target and the defined ones of the gradients have the input's shape and
/// `reduced`, the loss or its gradient, has it too or one element.
void check_elementwise_loss(const char* kernel, const Tensor& input, const Tensor& target,
                            const Tensor& reduced, const Tensor& dinput, const Tensor& dtarget);

template <template <class> class Error>
void elementwise_loss_cpu(const char* name, const Tensor& input, const Tensor& target, double scale,
                          Tensor& loss) {
  check_elementwise_loss(name, input, target, loss, {}, {});
  dispatch_floating(name, input.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto load = [x = input.data<T>(), t = target.data<T>()](std::int64_t i) {
      return Error<T>{}.value(x[i] - t[i]);
    };
    T* const out = loss.mutable_data<T>();
    if (loss.numel() == input.numel()) {
      const T factor = static_cast<T>(scale);
      parallel_for<elementwise_isa<T>>(input.numel(), elementwise_grain,
                                       [=](std::int64_t begin, std::int64_t end) {
                                         for (std::int64_t i = begin; i < end; ++i) out[i] = factor * load(i);
                                       });
    } else {
      reduce_loops(SumLoop<T, decltype(load)>{load, scale, out}, {1, input.numel(), 1});
    }
  });
}

template <template <class> class Error>
void elementwise_loss_backward_cpu(const char* name, const Tensor& input, const Tensor& target,
                                   const Tensor& grad, double scale, Tensor& dinput, Tensor& dtarget) {
  check_elementwise_loss(name, input, target, grad, dinput, dtarget);
  if (input.numel() == 0) return;
  dispatch_floating(name, input.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const x = input.data<T>();
    const T* const t = target.data<T>();
    const T* const dy = grad.data<T>();
    T* const dx = dinput.defined() ? dinput.mutable_data<T>() : nullptr;
    T* const dt = dtarget.defined() ? dtarget.mutable_data<T>() : nullptr;
    const bool scalar = grad.numel() == 1;
    const T factor = static_cast<T>(scale) * (scalar ? dy[0] : T(1));
    parallel_for<elementwise_isa<T>>(input.numel(), elementwise_grain,
                                     [=](std::int64_t begin, std::int64_t end) {
                                       const auto gradient = [=](std::int64_t i) {
                                         const T value = factor * Error<T>{}.derivative(x[i] - t[i]);
                                         return scalar ? value : value * dy[i];
                                       };
                                       if (dx != nullptr) {
                                         for (std::int64_t i = begin; i < end; ++i) dx[i] = gradient(i);
                                       }
                                       if (dt != nullptr) {
                                         for (std::int64_t i = begin; i < end; ++i) dt[i] = -gradient(i);
                                       }
                                     });
  });
}

}  // namespace gnn::kernels
