#pragma once

#include <span>
#include <vector>

#include "gnn/train/optimizer.h"

namespace gnn {

/// PyTorch's names and defaults.
struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;      ///< not negative
  double dampening = 0;     ///< of the gradient's share in the momentum buffer, from the second update on
  double weight_decay = 0;  ///< L2 penalty: added to the gradient
  bool nesterov = false;    ///< needs momentum > 0 and dampening = 0
};

/// Stochastic gradient descent, with momentum and Nesterov momentum: torch.optim.SGD, whose formula is in
/// kernels/sgd.h. State: "momentum_buffer", with momentum only.
class GNN_API SGD : public Optimizer {
 public:
  /// Throws as Optimizer's constructor, and ValueError for options out of range.
  explicit SGD(std::vector<Tensor> parameters, const SGDOptions& options = {});
  explicit SGD(std::vector<GroupOptions> groups, const SGDOptions& options = {});

  void step() override;

 protected:
  std::vector<NamedScalar> options() const override;
  void set_options(std::span<const double> values) override;

 private:
  SGDOptions options_;  // lr and weight_decay are the groups'
};

}  // namespace gnn
