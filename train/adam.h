#pragma once

#include <span>
#include <vector>

#include "gnn/train/optimizer.h"

namespace gnn {

/// PyTorch's names and defaults.
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;       ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;     ///< decay of the second moment, in [0, 1)
  double eps = 1e-8;        ///< added to the denominator, not negative
  double weight_decay = 0;  ///< L2 penalty: added to the gradient
};

/// PyTorch's names and defaults: those of Adam but for weight_decay.
struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< decoupled: times lr, taken off the parameter itself
};

/// Adam: torch.optim.Adam without amsgrad; its formula is in kernels/adam.h. State: "exp_avg", "exp_avg_sq".
class GNN_API Adam : public Optimizer {
 public:
  /// Throws as Optimizer's constructor, and ValueError for options out of range.
  explicit Adam(std::vector<Tensor> parameters, const AdamOptions& options = {});
  explicit Adam(std::vector<GroupOptions> groups, const AdamOptions& options = {});

  void step() override;

 protected:
  Adam(const char* kind, std::vector<GroupOptions> groups, const AdamOptions& options, bool decoupled);
  std::vector<NamedScalar> options() const override;
  void set_options(std::span<const double> values) override;

 private:
  const char* kind_;
  AdamOptions options_;  // lr and weight_decay are the groups'
  bool decoupled_;
};

/// Adam with decoupled weight decay: torch.optim.AdamW without amsgrad. State as Adam's.
class GNN_API AdamW : public Adam {
 public:
  /// Throws as Optimizer's constructor, and ValueError for options out of range.
  explicit AdamW(std::vector<Tensor> parameters, const AdamWOptions& options = {});
  explicit AdamW(std::vector<GroupOptions> groups, const AdamWOptions& options = {});
};

}  // namespace gnn
