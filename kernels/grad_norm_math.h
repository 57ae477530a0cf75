#pragma once

// Scalar rules shared by both back ends. Not installed.

#include "gnn/core/export.h"

namespace gnn::kernels {

/// The factor that ScaleToNorm applies. Comparisons with NaN are false, so a NaN norm gives NaN.
GNN_HD inline double clip_factor(double norm, double max_norm) {
  const double factor = max_norm / (norm + 1e-6);
  return factor > 1 ? 1 : factor;
}

/// `value` limited to [-limit, limit]; NaN stays NaN.
template <class T>
GNN_HD T clamp_to(T value, T limit) {
  value = value < -limit ? -limit : value;
  return value > limit ? limit : value;
}

}  // namespace gnn::kernels
