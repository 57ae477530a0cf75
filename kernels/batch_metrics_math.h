#pragma once

// The update of the totals, shared by both back ends. Not installed.

#include <cmath>
#include <cstdint>

#include "gnn/core/export.h"

namespace gnn::kernels {

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
