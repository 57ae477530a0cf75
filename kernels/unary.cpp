#include "gnn/kernels/unary.h"

#include <algorithm>
#include <type_traits>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/unary_math.h"

namespace gnn::kernels {
namespace {

template <class T, class F>
inline constexpr bool has_fast = std::is_same_v<T, float>&& requires(F f) {
  f.is_fast(T{});
};

/// out[i] = fast(i, x) where the fast functions may be used, slow(i, x) elsewhere, whatever the neighbours
/// are; x is in[i], which `out` may overwrite. A loop that asked for each element would not be vectorised.
template <class F, class Fast, class Slow>
[[gnu::always_inline]] inline void fast_or_slow(const float* in, float* out, std::int64_t begin,
                                                std::int64_t end, const F& function, const Fast& fast,
                                                const Slow& slow) {
  constexpr std::int64_t chunk = 256;
  float x[chunk];
  for (std::int64_t first = begin; first < end; first += chunk) {
    const std::int64_t count = std::min(chunk, end - first);
    std::copy_n(in + first, count, x);
    int others = 0;
    for (std::int64_t i = 0; i < count; ++i) others += function.is_fast(x[i]) ? 0 : 1;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) {
      out[first + i] = fast(first + i, function.is_fast(x[i]) ? x[i] : 0.0F);
    }
    if (others == 0) continue;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!function.is_fast(x[i])) out[first + i] = slow(first + i, x[i]);
    }
  }
}

template <class T, class F>
void forward(const Tensor& x, Tensor& y, F f) {
  const T* const in = x.data<T>();
  T* const out = y.mutable_data<T>();
  parallel_for<elementwise_isa<T>>(x.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
    const auto function = f;  // a copy that `out` cannot point to: otherwise nothing is vectorised
    if constexpr (has_fast<T, F>) {
      fast_or_slow(
          in, out, begin, end, function, [=](std::int64_t, float v) { return function.fast_value(v); },
          [=](std::int64_t, float v) { return function.value(v); });
    } else {
#pragma GCC ivdep
      for (std::int64_t i = begin; i < end; ++i) out[i] = function.value(in[i]);
    }
  });
}

template <class T, class F>
void backward(const Tensor& saved, const Tensor& grad, Tensor& dx, F f) {
  const T* const in = saved.data<T>();
  const T* const g = grad.data<T>();
  T* const out = dx.mutable_data<T>();
  parallel_for<elementwise_isa<T>>(
      saved.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
        const auto function = f;
        if constexpr (has_fast<T, F>) {
          fast_or_slow(
              in, out, begin, end, function,
              [=](std::int64_t i, float v) { return g[i] * function.fast_derivative(v); },
              [=](std::int64_t i, float v) { return g[i] * function.derivative(v); });
        } else {
#pragma GCC ivdep
          for (std::int64_t i = begin; i < end; ++i) out[i] = g[i] * function.derivative(in[i]);
        }
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
