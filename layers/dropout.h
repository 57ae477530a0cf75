#pragma once

#include "gnn/core/generator.h"
#include "gnn/layers/module.h"

namespace gnn {

/// In training, zero for each element with probability `p` (independently) and x / (1 - p) for the others, so
/// that the expected value is x (Srivastava et al., 2014); x itself where `training` is false or p is 0.
/// float32 or float64. The mask is drawn from `generator` (nullptr: default_generator()), one word per
/// element, and not stored: the backward pass draws it again. Throws ValueError unless 0 <= p <= 1.
GNN_API Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

/// dropout() while the module is in training mode, the identity in evaluation mode.
class GNN_API Dropout : public Module {
 public:
  /// Throws ValueError unless 0 <= p <= 1.
  explicit Dropout(double p = 0.5);

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 private:
  double p_;
};

}  // namespace gnn
