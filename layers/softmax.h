#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"
#include "gnn/layers/module.h"

namespace gnn {

/// exp(x) / sum of exp(x) along `axis`; any shape with at least one dimension, float32 or float64. Stable for
/// inputs of any size; a group with NaN or +infinity becomes NaN. Throws IndexError for an axis out of range.
GNN_API Tensor softmax(const Tensor& x, std::int64_t axis = -1);

/// log(softmax(x)), computed as x - log(sum of exp(x)): accurate where softmax rounds to 0.
GNN_API Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);

class GNN_API Softmax : public Module {
 public:
  explicit Softmax(std::int64_t axis = -1);
  Tensor forward(const Tensor& input) override;
  std::string describe() const override;
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 private:
  std::int64_t axis_;
};

class GNN_API LogSoftmax : public Module {
 public:
  explicit LogSoftmax(std::int64_t axis = -1);
  Tensor forward(const Tensor& input) override;
  std::string describe() const override;
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 private:
  std::int64_t axis_;
};

}  // namespace gnn
