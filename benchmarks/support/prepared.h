#pragma once

#include <string>
#include <vector>

#include "support/op_case.h"

namespace gnn::bench {

/// What is measured of a case.
enum class Direction { forward, forward_backward };

/// A case's tensors on a device, and whether what the op computes of them is right.
struct Prepared {
  std::vector<Tensor> inputs;
  Tensor cotangent;   // forward_backward only
  std::string error;  // empty: the results match the reference
  double output_bytes = 0;
  double input_bytes = 0;
  double gradient_bytes = 0;
};

/// Makes the tensors and compares one call with the reference in double precision: a benchmark of a wrong
/// result is worthless. Gradients are compared with those that the op computes in float64 on the CPU, element
/// by element, and these with a central difference of the reference along a random direction of all inputs.
/// The last case is kept, so that repetitions find it ready.
///
/// \param name  of the op and case, unique
/// \param op    the function to check: the case's own, or another library's
Prepared& prepare(const std::string& name, const testing::OpCase& op_case,
                  const std::function<Tensor(std::span<const Tensor>)>& op, DType dtype, Device device,
                  Direction direction);

}  // namespace gnn::bench
