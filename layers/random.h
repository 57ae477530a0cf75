#pragma once

#include "gnn/core/generator.h"
#include "gnn/core/tensor.h"

// Random tensors. The same generator state gives the same numbers on every device; `generator` nullptr is
// default_generator(). Not differentiable: each result is a new leaf.

namespace gnn {

/// Numbers uniform in [low, high), float32 or float64. Throws ValueError unless low < high, both finite and
/// their distance as well, or low == high, which gives low everywhere.
GNN_API Tensor uniform(const Shape& shape, double low, double high, const TensorOptions& options = {},
                       Generator* generator = nullptr);

/// Normally distributed numbers, float32 or float64. Throws ValueError unless mean and std are finite and std
/// >= 0.
GNN_API Tensor normal(const Shape& shape, double mean, double std, const TensorOptions& options = {},
                      Generator* generator = nullptr);

/// uniform(shape, 0, 1).
GNN_API Tensor rand(const Shape& shape, const TensorOptions& options = {}, Generator* generator = nullptr);

/// normal(shape, 0, 1).
GNN_API Tensor randn(const Shape& shape, const TensorOptions& options = {}, Generator* generator = nullptr);

}  // namespace gnn
