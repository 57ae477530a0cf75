#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/pool_window.h"

namespace gnn::kernels {

/// A window's maximum so far meets its next pixel: a larger one or the first NaN takes over, a tie keeps the
/// earlier. Selections of one comparison each, without branches, are what compilers vectorise.
template <class T>
GNN_HD inline void offer_pixel(T pixel, std::int32_t index, T& best, std::int32_t& at) {
  const bool stays = pixel <= best;  // false for a NaN
  const bool number = best == best;
  const std::int32_t winner = stays ? at : index;
  const T maximum = stays ? best : pixel;
  at = number ? winner : at;
  best = number ? maximum : best;
}

/// pool_shape(), plus what argmax needs: y's shape, and planes whose indices fit. An undefined argmax is
/// none.
PoolShape max_pool2d_shape(const char* kernel, const Tensor& x, const Tensor& y, const Tensor& argmax,
                           const PoolWindow& window);

}  // namespace gnn::kernels
