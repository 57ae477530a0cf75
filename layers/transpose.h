#pragma once

#include "gnn/core/tensor.h"

namespace gnn {

/// The matrix, or each matrix of a batch, transposed: [*, M, N] becomes [*, N, M]; any dtype, a new tensor.
/// Products with a transposed matrix do not need it: see matmul. Throws ShapeError for fewer than two
/// dimensions.
GNN_API Tensor transpose(const Tensor& x);

}  // namespace gnn
