#pragma once

#include <cstdint>
#include <vector>

#include "gnn/layers/init.h"
#include "gnn/layers/sequential.h"

namespace gnn {

struct MLPOptions {
  Nonlinearity activation = Nonlinearity::relu;  ///< between the linear layers
  double dropout = 0;                            ///< probability, behind every activation; 0: no such layers
};

/// A multi-layer perceptron: MLP({784, 128, 10}) is
/// Sequential(Flatten(), Linear(784, 128), ReLU(), Linear(128, 10)), and its state_dict() that of PyTorch's.
/// Inputs of any shape [N, …] with sizes.front() elements per sample; the output is [N, sizes.back()]. Throws
/// ValueError for fewer than 2 sizes.
class GNN_API MLP : public Sequential {
 public:
  explicit MLP(const std::vector<std::int64_t>& sizes, const MLPOptions& options = {});
};

}  // namespace gnn
