#pragma once

#include "gnn/core/tensor.h"

namespace gnn {

/// `x` on `device`: x itself when it is there already, else a copy. The gradient goes back to x's device.
/// Copying to the host waits for the device; other copies are asynchronous. Throws DeviceError when the
/// device cannot be used.
GNN_API Tensor to(const Tensor& x, Device device);

/// `x` as `dtype`: x itself when it has it already, else converted (see kernels/copy.h for the rules).
/// Between floating dtypes the gradient is converted back; a result of an integer dtype has no gradient.
GNN_API Tensor to(const Tensor& x, DType dtype);

/// A copy in memory of its own; the gradient passes through.
GNN_API Tensor clone(const Tensor& x);

}  // namespace gnn
