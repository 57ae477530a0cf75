#pragma once

// What max_pool2d and avg_pool2d share. Not installed.

#include "gnn/kernels/pool_window.h"

namespace gnn {

/// The shape of the result of pooling `x`, [C, H, W] or [N, C, H, W]. Throws in the words of the user of
/// `op`: ShapeError for another shape or one the window does not fit into, ValueError for a bad parameter.
Shape pooled_shape(const char* op, const Tensor& x, const kernels::PoolWindow& window, bool ceil_mode);

}  // namespace gnn
