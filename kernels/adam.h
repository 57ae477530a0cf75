#pragma once

#include <cstdint>
#include <vector>

#include "gnn/core/export.h"
#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// One step of Adam (Kingma and Ba, 2015) or AdamW (Loshchilov and Hutter, 2019) for many tensors at once, in
/// place; PyTorch's formula. For every element p with gradient g and moments m, v, in step t = 1, 2, …:
///
///   p = p - lr * weight_decay * p       (decoupled: AdamW)
///   g = g + weight_decay * p            (not decoupled: Adam)
///   m = beta1 * m + (1 - beta1) * g     (m = v = 0 before step 1, where they are written without being read)
///   v = beta2 * v + (1 - beta2) * g * g
///   p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
///
/// Lists of equal length; element i of each has the same number of elements, one dtype (float32 or float64,
/// in which it is computed; the bias corrections are computed in double) and one device for all.
/// CUDA: one launch for up to 82 tensors. Deterministic: no element depends on another.
struct GNN_API AdamStep {
  struct Settings {
    double lr = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0;
    bool decoupled = false;  ///< weight decay as in AdamW
    std::int64_t step = 1;   ///< t, from 1
    /// Where the device keeps the adam_step_values() of a captured step (not the first), which replace those
    /// of lr, weight_decay and step above; or nullptr.
    const double* step_values = nullptr;
  };

  static constexpr const char* name = "adam_step";
  static void cpu(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                  std::vector<Tensor>& exp_avgs, std::vector<Tensor>& exp_avg_sqs, const Settings& settings);
  static void cuda(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                   std::vector<Tensor>& exp_avgs, std::vector<Tensor>& exp_avg_sqs, const Settings& settings);
};

}  // namespace gnn::kernels
