#pragma once

// What both back ends share. Not installed.

#include <cmath>
#include <cstdint>

#include "gnn/core/export.h"

namespace gnn::kernels {

/// A logit and its class.
template <class T>
struct Candidate {
  T value;
  std::int64_t index;

  /// Before `other` in order of prediction: NaN, then larger values; the first class of equal ones.
  GNN_HD bool beats(const Candidate& other) const {
    const bool is_nan = value != value;
    const bool other_nan = other.value != other.value;
    if (is_nan != other_nan) return is_nan;
    if (!is_nan && value != other.value) return value > other.value;
    return index < other.index;
  }
};

GNN_HD inline void add_batch(double loss, std::int64_t samples, std::int64_t correct, double* totals) {
  totals[0] += 1;
  totals[1] = std::fma(loss, static_cast<double>(samples), totals[1]);
  totals[2] += static_cast<double>(correct);
  if (totals[3] == 0 && !(loss - loss == 0)) {  // NaN for NaN and infinities
    totals[3] = totals[0];
    totals[4] = loss;
  }
}

}  // namespace gnn::kernels
