#pragma once

// One case of an optimizer: shapes of parameters, how to make the optimizer, and what it does to a single
// element, in double precision. The same tables drive the parity tests on every device and the benchmarks.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gnn/train/optimizer.h"
#include "support/op_case.h"

namespace gnn::testing {

struct OptimizerCase {
  std::string name;  // unique in its table; letters, digits and _
  std::vector<Shape> shapes;
  std::function<std::unique_ptr<Optimizer>(std::vector<Tensor> parameters)> make;
  /// The element's final value from its first and its gradients, one per step; no code shared with the
  /// optimizer.
  std::function<double(double value, std::span<const double> grads)> reference;
  bool benchmark = false;
  bool benchmark_only = false;  ///< beyond the cache: would only slow tests down
  int passes = 0;               ///< reads and writes of parameter-sized arrays in a step, for the benchmark
};

inline constexpr int optimizer_steps = 5;

/// The last of several parameters has no gradient in step 1.
inline bool has_gradient(const OptimizerCase& optimizer_case, std::size_t parameter, int step) {
  return step != 1 || parameter == 0 || parameter + 1 < optimizer_case.shapes.size();
}

/// Deterministic values that every floating dtype of the tests represents alike.
inline std::vector<double> parameter_values(const OptimizerCase& optimizer_case, std::size_t parameter) {
  std::vector<double> values = random_values(optimizer_case.shapes[parameter].numel(), -1, 1,
                                             100 + static_cast<std::uint64_t>(parameter));
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
  return values;
}

inline std::vector<double> gradient_values(const OptimizerCase& optimizer_case, std::size_t parameter,
                                           int step) {
  std::vector<double> values =
      random_values(optimizer_case.shapes[parameter].numel(), -1, 1,
                    10000 * static_cast<std::uint64_t>(step + 1) + static_cast<std::uint64_t>(parameter));
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
  return values;
}

inline std::vector<Tensor> make_parameters(const OptimizerCase& optimizer_case, DType dtype, Device device) {
  std::vector<Tensor> parameters;
  for (std::size_t p = 0; p < optimizer_case.shapes.size(); ++p) {
    parameters.push_back(
        to_tensor({optimizer_case.shapes[p], parameter_values(optimizer_case, p)}, dtype, device));
    parameters.back().set_requires_grad();
  }
  return parameters;
}

/// Sets the gradients of one step.
inline void set_gradients(const OptimizerCase& optimizer_case, std::vector<Tensor>& parameters, int step) {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    Tensor grad;
    if (has_gradient(optimizer_case, p, step)) {
      grad = to_tensor({optimizer_case.shapes[p], gradient_values(optimizer_case, p, step)},
                       parameters[p].dtype(), parameters[p].device());
    }
    parameters[p].set_grad(grad);
  }
}

/// The shapes that every optimizer's table uses, by name.
struct NamedShapes {
  std::string name;
  std::vector<Shape> shapes;
  bool benchmark = false;
  bool benchmark_only = false;
};

inline std::vector<NamedShapes> optimizer_shapes() {
  std::vector<Shape> many;  // more tensors than one launch takes, empty ones and a scalar among them
  for (std::int64_t i = 0; i < 230; ++i) many.push_back(i == 7 ? Shape{} : Shape{i % 37});
  return {{"0", {{0}}},
          {"1", {{1}}},
          {"31_33_1023", {{31}, {33}, {1023}}},
          {"chunks", {{2048}, {2049}, {4095, 2}, {3}}},
          {"many", many},
          {"lenet", {{20, 1, 5, 5}, {20}, {50, 20, 5, 5}, {50}, {500, 800}, {500}, {10, 500}, {10}}, true},
          {"16M", {{1 << 24}}, true, true}};
}

}  // namespace gnn::testing
