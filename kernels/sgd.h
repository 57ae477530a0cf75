#pragma once

#include <vector>

#include "gnn/core/export.h"
#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// One step of stochastic gradient descent for many tensors at once, in place; PyTorch's formula (Sutskever
/// et al., 2013, with the learning rate outside of the momentum buffer). For every element p with gradient g
/// and buffer b:
///
///   d = g + weight_decay * p            (weight_decay != 0)
///   b = momentum * b + (1 - dampening) * d, or b = d where first    (momentum != 0)
///   d = nesterov ? d + momentum * b : b                             (momentum != 0)
///   p = p - lr * d
///
/// Lists of equal length; element i of each has the same number of elements, one dtype (float32 or float64,
/// in which it is computed) and one device for all. `momentum_buffers` is empty, and not used, without
/// momentum. CUDA: one launch for up to 99 tensors. Deterministic: no element depends on another.
struct GNN_API SgdStep {
  struct Settings {
    double lr = 1e-3;
    double momentum = 0;
    double dampening = 0;
    double weight_decay = 0;
    bool nesterov = false;
    bool first = false;  ///< momentum buffers are written without being read: they have no values yet
    /// Where the device keeps {lr, weight_decay} of a captured step, which replace those above; or nullptr.
    const double* step_values = nullptr;
  };

  static constexpr const char* name = "sgd_step";
  static void cpu(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                  std::vector<Tensor>& momentum_buffers, const Settings& settings);
  static void cuda(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                   std::vector<Tensor>& momentum_buffers, const Settings& settings);
};

}  // namespace gnn::kernels
