#pragma once

// One case of an op: the inputs, the function under test and a naive reference in double precision. The same
// table drives parity and gradient tests on every device and the benchmarks.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn::testing {

/// A host array in double precision: what references compute with.
struct Array {
  Shape shape;
  std::vector<double> values;

  double& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
};

/// An array of zeros.
inline Array array(const Shape& shape) {
  return {shape, std::vector<double>(static_cast<std::size_t>(shape.numel()))};
}

enum class Fill {
  uniform,   ///< random in [low, high)
  distinct,  ///< a random permutation of evenly spaced values in (low, high): no ties, none at a symmetric
             ///< zero
  integer,   ///< random whole numbers in [low, high]: labels, indices
};

struct Input {
  Shape shape;
  double low = -1;
  double high = 1;
  Fill fill = Fill::uniform;
  bool differentiable = true;
  std::optional<DType> dtype = {};  // empty: the floating dtype that the test runs in
  std::vector<double> values = {};  // given values instead of a fill
};

/// An input that takes no gradient, such as labels.
inline Input constant(Shape shape, DType dtype, double low, double high) {
  return {shape, low, high, Fill::integer, false, dtype, {}};
}

struct OpCase {
  std::string name;  // unique in its table; letters, digits and _
  std::vector<Input> inputs;
  std::function<Tensor(std::span<const Tensor>)> op;       // differentiable
  std::function<Array(std::span<const Array>)> reference;  // the naive definition; no code shared with the op
  /// Largest |got - want| / (1 + |want|) in float32; state the bound it comes from when it is not the
  /// default.
  double tolerance = 2e-6;
  /// The same in float64.
  double tolerance64 = 1e-13;
  /// False for a case whose op has no gradient, or whose inputs sit on kinks.
  bool gradient = true;
  /// Cases with benchmark = true are timed: floating-point operations of the forward pass, and bytes that
  /// forward must move (0: all inputs and the output once).
  bool benchmark = false;
  /// True for sizes beyond the cache, which would only slow tests down (a benchmark checks its result too).
  bool benchmark_only = false;
  double flops = 0;
  double bytes = 0;
};

/// The case's inputs with deterministic contents, rounded to `dtype` so that every precision sees the same
/// values.
std::vector<Array> make_inputs(const OpCase& op_case, DType dtype);

/// The arrays as tensors of `dtype` (or the input's own), requiring gradients where differentiable and asked
/// for.
std::vector<Tensor> to_tensors(const OpCase& op_case, std::span<const Array> arrays, DType dtype,
                               Device device, bool requires_grad);

Tensor to_tensor(const Array& array, DType dtype, Device device = Device::cpu());
Array to_array(const Tensor& tensor);

/// cpu, and cuda:0 where it is available; GNN_TEST_DEVICE=cpu|cuda:0 in the environment picks one.
std::vector<Device> test_devices();

/// Deterministic random values, the same on every machine.
std::vector<double> random_values(std::int64_t count, double low, double high, std::uint64_t seed);

}  // namespace gnn::testing
