#pragma once

#include "gnn/core/tensor.h"

// Comparisons, element by element, of two tensors or of a tensor and a number: uint8 tensors of 1 (true) and
// 0, as there are no tensors of bool. Shapes are broadcast by NumPy's rules. IEEE's rules hold: a NaN is
// unequal to everything, and neither less nor greater than anything. Nothing is recorded: results are
// constants.
//
//   double accuracy = mean(to(eq(argmax(logits, 1), labels), DType::float32)).item();
//
// All dtypes are compared, both operands being of one. A number is rounded to a floating tensor's dtype;
// integers are compared with exactly that number. All throw ShapeError for shapes that do not broadcast
// together, DTypeError for different dtypes and DeviceError for different devices.

namespace gnn {

GNN_API Tensor eq(const Tensor& a, const Tensor& b);
GNN_API Tensor eq(const Tensor& a, double b);
GNN_API Tensor ne(const Tensor& a, const Tensor& b);
GNN_API Tensor ne(const Tensor& a, double b);
GNN_API Tensor lt(const Tensor& a, const Tensor& b);
GNN_API Tensor lt(const Tensor& a, double b);
GNN_API Tensor le(const Tensor& a, const Tensor& b);
GNN_API Tensor le(const Tensor& a, double b);
GNN_API Tensor gt(const Tensor& a, const Tensor& b);
GNN_API Tensor gt(const Tensor& a, double b);
GNN_API Tensor ge(const Tensor& a, const Tensor& b);
GNN_API Tensor ge(const Tensor& a, double b);

/// 1 when all elements are other than 0, else 0; 1 for an empty tensor. A NaN is other than 0.
GNN_API Tensor all(const Tensor& x);
/// 1 when an element is other than 0, else 0.
GNN_API Tensor any(const Tensor& x);

/// True when both have one shape, dtype and device, and the same elements; a NaN is unequal to itself. Waits
/// for the device.
GNN_API bool equal(const Tensor& a, const Tensor& b);

}  // namespace gnn
