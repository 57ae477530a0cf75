#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {

/// True when `candidate` replaces `best` as the maximum: it is larger, or the first NaN. A tie keeps the
/// earlier one. Without branches, so that loops over it are vectorised.
template <class T>
GNN_HD inline bool wins(T candidate, T best) {
  return static_cast<bool>(static_cast<int>(best == best) & static_cast<int>(!(candidate <= best)));
}

/// pool_shape(), plus what argmax needs: y's shape, and planes whose indices fit. An undefined argmax is
/// none.
PoolShape max_pool2d_shape(const char* kernel, const Tensor& x, const Tensor& y, const Tensor& argmax,
                           const PoolWindow& window);

}  // namespace gnn::kernels
