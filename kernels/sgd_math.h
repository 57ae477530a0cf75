#pragma once

// The update of one element, shared by both back ends. Not installed.

#include "gnn/core/export.h"
#include "gnn/kernels/sgd.h"

namespace gnn::kernels {

template <class T>
struct SgdUpdate {
  explicit SgdUpdate(const SgdStep::Settings& s)
      : lr(static_cast<T>(s.lr)),
        momentum(static_cast<T>(s.momentum)),
        damping(static_cast<T>(1 - s.dampening)),
        weight_decay(static_cast<T>(s.weight_decay)),
        nesterov(s.nesterov),
        first(s.first) {}

  /// Takes what differs from step to step from memory; nullptr: leaves it.
  GNN_HD void load(const double* step_values) {
    if (step_values == nullptr) return;
    lr = static_cast<T>(step_values[0]);
    weight_decay = static_cast<T>(step_values[1]);
  }

  /// Without momentum.
  GNN_HD void operator()(T& p, T g) const {
    if (weight_decay != T(0)) g += weight_decay * p;
    p -= lr * g;
  }

  /// With momentum buffer b.
  GNN_HD void operator()(T& p, T& b, T g) const {
    if (weight_decay != T(0)) g += weight_decay * p;
    const T buffer = first ? g : momentum * b + damping * g;
    b = buffer;
    p -= lr * (nesterov ? g + momentum * buffer : buffer);
  }

  T lr, momentum, damping, weight_decay;
  bool nesterov, first;
};

}  // namespace gnn::kernels
