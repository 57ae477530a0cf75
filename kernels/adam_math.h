#pragma once

// The update of one element, shared by both back ends. Not installed.

#include <array>
#include <cmath>

#include "gnn/core/export.h"
#include "gnn/kernels/adam.h"

namespace gnn::kernels {

/// What differs from step to step, computed in double on the host for every device: the factor of p
/// (decoupled weight decay), the weight decay through the gradient, lr / (1 - beta1^t), 1 / sqrt(1 -
/// beta2^t).
inline std::array<double, 4> adam_step_values(const AdamStep::Settings& s) {
  const auto t = static_cast<double>(s.step);
  return {s.decoupled ? 1 - s.lr * s.weight_decay : 1, s.decoupled ? 0 : s.weight_decay,
          s.lr / (1 - std::pow(s.beta1, t)), 1 / std::sqrt(1 - std::pow(s.beta2, t))};
}

template <class T>
struct AdamUpdate {
  explicit AdamUpdate(const AdamStep::Settings& s)
      : beta1(static_cast<T>(s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        rest1(static_cast<T>(1 - s.beta1)),
        rest2(static_cast<T>(1 - s.beta2)),
        eps(static_cast<T>(s.eps)),
        first(s.step == 1) {
    load(adam_step_values(s).data());
  }

  /// Takes what differs from step to step from memory; nullptr: leaves it.
  GNN_HD void load(const double* step_values) {
    if (step_values == nullptr) return;
    keep = static_cast<T>(step_values[0]);
    l2 = static_cast<T>(step_values[1]);
    step_size = static_cast<T>(step_values[2]);
    scale2 = static_cast<T>(step_values[3]);
  }

  GNN_HD void operator()(T& p, T& m, T& v, T g) const {
    const T value = keep * p;
    if (l2 != T(0)) g += l2 * p;
    const T average = first ? rest1 * g : beta1 * m + rest1 * g;
    const T square = first ? rest2 * g * g : beta2 * v + rest2 * g * g;
    m = average;
    v = square;
    p = value - step_size * (average / (std::sqrt(square) * scale2 + eps));
  }

  T beta1, beta2, rest1, rest2, eps;
  T keep, l2, step_size, scale2;  // adam_step_values
  bool first;
};

}  // namespace gnn::kernels
