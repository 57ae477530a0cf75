#pragma once

// The update of one element, shared by both back ends. Not installed.

#include <cmath>

#include "gnn/core/export.h"
#include "gnn/kernels/adam.h"

namespace gnn::kernels {

template <class T>
struct AdamUpdate {
  explicit AdamUpdate(const AdamStep::Settings& s)
      : beta1(static_cast<T>(s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        rest1(static_cast<T>(1 - s.beta1)),
        rest2(static_cast<T>(1 - s.beta2)),
        eps(static_cast<T>(s.eps)),
        keep(s.decoupled ? static_cast<T>(1 - s.lr * s.weight_decay) : T(1)),
        l2(s.decoupled ? T(0) : static_cast<T>(s.weight_decay)),
        first(s.step == 1) {
    const auto t = static_cast<double>(s.step);
    step_size = static_cast<T>(s.lr / (1 - std::pow(s.beta1, t)));
    scale2 = static_cast<T>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
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
  T keep;       // factor of p: decoupled weight decay
  T l2;         // weight decay through the gradient
  T step_size;  // lr / (1 - beta1^t)
  T scale2;     // 1 / sqrt(1 - beta2^t)
  bool first;
};

}  // namespace gnn::kernels
