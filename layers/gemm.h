#pragma once

#include "gnn/core/tensor.h"

namespace gnn {

struct MatmulOptions {
  bool trans_a = false;  ///< multiply by the transpose of a (of each matrix of a batch)
  bool trans_b = false;  ///< multiply by the transpose of b
};

/// The matrix product of a [M, K] and b [K, N]: [M, N]; or products of batches a [B, M, K] and b [B, K, N]:
/// [B, M, N], where one of the two may be a single matrix that serves the whole batch. With trans_a or
/// trans_b the matrices are given transposed: tensors have no strides, so this is how to multiply by a
/// transpose without a copy. float32 or float64; one dtype and device. Throws ShapeError, DTypeError or
/// DeviceError.
GNN_API Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

}  // namespace gnn
