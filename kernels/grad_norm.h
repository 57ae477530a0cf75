#pragma once

#include <vector>

#include "gnn/core/export.h"
#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// norm = sqrt(sum of g * g over all elements g of all tensors): the L2 norm of everything as one vector.
///
/// `grads`: float32 and float64 tensors, also mixed, on one device; empty ones and an empty list give 0.
/// `norm`: float64, one element, on that device. Squares are formed and added in double on both back ends, so
/// that no float32 value overflows or vanishes; a NaN or infinity anywhere gives NaN or infinity. Two phases
/// in fixed order: a sum for each chunk, then the sum of those sums, so the result does not depend on the
/// number of threads and is the same in every run on the same kind of device.
struct GNN_API GradNorm {
  static constexpr const char* name = "grad_norm";
  static void cpu(const std::vector<Tensor>& grads, Tensor& norm);
  static void cuda(const std::vector<Tensor>& grads, Tensor& norm);
};

/// g = g * min(1, max_norm / (norm + 1e-6)) for all elements of all tensors, in place; `norm` is GradNorm's
/// result on the same device and is not read by the host. PyTorch's rule for what is not finite: a NaN norm
/// makes every element NaN, an infinite norm makes infinite elements NaN and the others 0. A factor of 1
/// leaves the tensors as they are.
struct GNN_API ScaleToNorm {
  static constexpr const char* name = "scale_to_norm";
  static void cpu(std::vector<Tensor>& grads, const Tensor& norm, double max_norm);
  static void cuda(std::vector<Tensor>& grads, const Tensor& norm, double max_norm);
};

/// g = min(max(g, -limit), limit) for all elements of all tensors, in place; NaN stays NaN.
struct GNN_API ClampGrads {
  static constexpr const char* name = "clamp_grads";
  static void cpu(std::vector<Tensor>& grads, double limit);
  static void cuda(std::vector<Tensor>& grads, double limit);
};

}  // namespace gnn::kernels
