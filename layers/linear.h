#pragma once

#include "gnn/layers/module.h"

namespace gnn {

/// y = x · weight' + bias: x [*, in], weight [out, in], bias [out] or undefined: [*, out] for any number of
/// leading dimensions. float32 or float64, one dtype and device. Throws ShapeError, DTypeError or
/// DeviceError.
GNN_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// relu(linear(x, weight, bias)) in one op: what the ReLU is applied to is not kept, and on CUDA its gradient
/// and that of the bias are one launch. On the CPU bitwise the separate functions' result. chain() and
/// Sequential find this function by themselves. Throws as linear() does.
GNN_API Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// linear() as a layer. Parameters: weight [out_features, in_features], bias [out_features], both uniform in
/// [-b, b) with b = 1 / sqrt(in_features), as in PyTorch.
class GNN_API Linear : public Module {
 public:
  /// Throws ValueError for a negative number of features.
  Linear(std::int64_t in_features, std::int64_t out_features, bool bias = true);

  Tensor forward(const Tensor& x) override;
  /// relu((*this)(x)) in one op (linear_relu).
  Tensor with_relu(const Tensor& x);
  std::string describe() const override;
  /// A multiplication and an addition per weight, an addition per bias.
  std::int64_t flops(const Shape& input, const Shape& output) const override;

  Tensor weight;
  Tensor bias;  ///< undefined without one
};

}  // namespace gnn
