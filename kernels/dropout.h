#pragma once

#include "gnn/core/generator.h"
#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// y[i] = 0 with probability p, else x[i] / (1 - p), element by element; float32 or float64, p in [0, 1].
/// Element i is dropped when the upper 31 bits of word i of the Philox sequence at `range` (core/philox.h)
/// are below p 2^31, so that the mask is the same for both dtypes and devices and need not be stored: the
/// gradient is the same kernel on dy with the same range. A dropped NaN or infinity is 0. y may be x's
/// memory.
struct GNN_API DropoutKernel {
  static constexpr const char* name = "dropout";
  static void cpu(const Tensor& x, Tensor& y, double p, const RandomRange& range);
  static void cuda(const Tensor& x, Tensor& y, double p, const RandomRange& range);
};

}  // namespace gnn::kernels
