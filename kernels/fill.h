#pragma once

#include "gnn/kernels/run.h"

namespace gnn::kernels {

/// y[i] = value, in every dtype: integers take the value truncated towards zero and saturated to their range
/// (NaN becomes 0), half types round it to nearest even by way of float.
struct GNN_API Fill {
  static constexpr const char* name = "fill";
  static void cpu(Tensor& y, double value);
  static void cuda(Tensor& y, double value);
};

/// y[i] = start + i * step, rounded once to float64 and converted as by Fill; exact in int64 up to 2^53.
struct GNN_API Arange {
  static constexpr const char* name = "arange";
  static void cpu(Tensor& y, double start, double step);
  static void cuda(Tensor& y, double start, double step);
};

}  // namespace gnn::kernels
