#include "support/prepared.h"

#include <cmath>
#include <cstddef>
#include <future>
#include <optional>
#include <tuple>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"

namespace gnn::bench {
namespace {

using testing::Array;
using testing::OpCase;

/// What the checks of one case share. Inputs are rounded to float32, which float64 can hold as well.
struct Truth {
  std::string name;
  std::vector<Array> inputs;
  std::optional<Array> output = {};
  std::optional<Array> cotangent = {};
  std::optional<std::vector<Array>> gradients = {};  // empty arrays for inputs without one
  std::string gradients_error = {};
};

std::string difference(const Array& got, const Array& want, double tolerance, const std::string& what) {
  if (!(got.shape == want.shape)) {
    return fmt::format("{}: expected shape {}, got {}", what, want.shape, got.shape);
  }
  for (std::int64_t i = 0; i < got.shape.numel(); ++i) {
    if (!(std::abs(got[i] - want[i]) <= tolerance * (1 + std::abs(want[i])))) {  // false for NaN
      return fmt::format("{}: element {}: expected {:.9g}, got {:.9g}", what, i, want[i], got[i]);
    }
  }
  return {};
}

/// The loss <reference(inputs moved by t along the directions), cotangent>, and the sum of its terms' sizes.
struct Loss {
  double value = 0;
  double size = 0;
};
Loss loss_at(const OpCase& op_case, const Truth& truth, const std::vector<std::vector<double>>& directions,
             double t) {
  std::vector<Array> moved = truth.inputs;
  for (std::size_t k = 0; k < moved.size(); ++k) {
    for (std::size_t i = 0; i < directions[k].size(); ++i) moved[k].values[i] += t * directions[k][i];
  }
  const Array output = op_case.reference(moved);
  Loss loss;
  for (std::int64_t i = 0; i < output.shape.numel(); ++i) {
    const double term = output[i] * (*truth.cotangent)[i];
    loss.value += term;
    loss.size += std::abs(term);
  }
  return loss;
}

/// Sets truth.gradients, and truth.gradients_error where the reference says something else.
void find_gradients(const OpCase& op_case, Truth& truth) {
  constexpr double step = 1e-6;
  std::vector<std::vector<double>> directions(truth.inputs.size());
  for (std::size_t k = 0; k < directions.size(); ++k) {
    if (!op_case.inputs[k].differentiable) continue;
    directions[k] = testing::random_values(truth.inputs[k].shape.numel(), -1, 1, 99 + k);
  }
  // References take seconds, so both run while the op computes its gradients.
  const auto loss_beyond = [&](double t) {
    return std::async(std::launch::async, [&, t] { return loss_at(op_case, truth, directions, t); });
  };
  std::future<Loss> above = loss_beyond(step), below = loss_beyond(-step);

  const std::vector<Tensor> leaves =
      testing::to_tensors(op_case, truth.inputs, DType::float64, Device::cpu(), true);
  op_case.op(leaves).backward(testing::to_tensor(*truth.cotangent, DType::float64));
  truth.gradients.emplace();
  double analytic = 0, squares = 0;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    truth.gradients->push_back(leaves[k].grad().defined() ? testing::to_array(leaves[k].grad()) : Array{});
    if (!leaves[k].requires_grad()) continue;
    if (!leaves[k].grad().defined()) {
      truth.gradients_error = fmt::format("input {} got no gradient", k);
      return;
    }
    for (std::size_t i = 0; i < directions[k].size(); ++i) {
      const double term = truth.gradients->back().values[i] * directions[k][i];
      analytic += term;
      squares += term * term;
    }
  }
  const Loss high = above.get();
  const double numeric = (high.value - below.get().value) / (2 * step);
  // The derivative is a sum of independent terms, sqrt(squares) its size: a wrong factor or a missing term of
  // one input shows. In 100: of millions of random inputs a few lie within a step of a kink or a tie. The
  // second term is the rounding of the two losses. Tests check each element, of smaller shapes.
  const double tolerance = 1e-2 * std::sqrt(squares) + 1e-15 * high.size / step;
  if (!(std::abs(numeric - analytic) <= tolerance)) {
    truth.gradients_error =
        fmt::format("the derivative along a random direction: the reference says {:.9g}, backward {:.9g}",
                    numeric, analytic);
  }
}

std::string check(const OpCase& op_case, const std::function<Tensor(std::span<const Tensor>)>& op,
                  Truth& truth, Prepared& prepared, DType dtype, Direction direction) {
  const bool wide = dtype == DType::float64;
  const double tolerance = wide ? op_case.tolerance64 : op_case.tolerance;
  Tensor output = op(prepared.inputs);
  prepared.output_bytes = static_cast<double>(output.nbytes());
  if (!truth.output) truth.output = op_case.reference(truth.inputs);
  std::string error = difference(testing::to_array(output), *truth.output, tolerance, "the result");
  if (!error.empty() || direction == Direction::forward) return error;

  if (!truth.cotangent) {
    truth.cotangent = Array{output.shape(), testing::random_values(output.numel(), -1, 1, 4711)};
  }
  if (!truth.gradients) find_gradients(op_case, truth);
  if (!truth.gradients_error.empty()) return truth.gradients_error;
  prepared.cotangent = testing::to_tensor(*truth.cotangent, dtype, output.device());
  output.backward(prepared.cotangent);
  for (std::size_t k = 0; k < prepared.inputs.size(); ++k) {
    Tensor& input = prepared.inputs[k];
    if (!input.requires_grad()) continue;
    if (!input.grad().defined()) return fmt::format("input {} got no gradient", k);
    prepared.gradient_bytes += static_cast<double>(input.grad().nbytes());
    error = difference(testing::to_array(input.grad()), (*truth.gradients)[k], tolerance,
                       fmt::format("the gradient of input {}", k));
    if (!error.empty()) return error;
    input.set_grad({});
  }
  return {};
}

}  // namespace

Prepared& prepare(const std::string& name, const OpCase& op_case,
                  const std::function<Tensor(std::span<const Tensor>)>& op, DType dtype, Device device,
                  Direction direction) {
  static Truth truth;
  static Prepared prepared;
  static std::tuple<const void*, DType, Device, Direction> prepared_for;
  const std::tuple key{static_cast<const void*>(&op), dtype, device, direction};
  if (truth.name == name && prepared_for == key) return prepared;
  prepared = {};
  if (truth.name != name) truth = {name, testing::make_inputs(op_case, DType::float32)};
  prepared.inputs =
      testing::to_tensors(op_case, truth.inputs, dtype, device, direction == Direction::forward_backward);
  prepared.error = check(op_case, op, truth, prepared, dtype, direction);
  for (const Tensor& input : prepared.inputs) prepared.input_bytes += static_cast<double>(input.nbytes());
  prepared_for = key;
  return prepared;
}

}  // namespace gnn::bench
