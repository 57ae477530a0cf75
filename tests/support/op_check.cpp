#include "support/op_check.h"

#include <algorithm>
#include <cmath>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"

namespace gnn::testing {
namespace {

constexpr double step_size = 1e-6;
// Central differences with this step: truncation is about 1e-12 times the third derivative, rounding about
// 1e-16 |L| / 1e-6 = 1e-10 |L|.
constexpr double difference_tolerance = 2e-7;
constexpr std::int64_t all_elements_up_to = 48;
constexpr int directions = 6;

Array cotangent_for(const Shape& shape) {
  return {shape, random_values(shape.numel(), -1, 1, 4711)};
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

using Function = std::function<Tensor(std::span<const Tensor>)>;

/// <f(inputs with input k moved by t along direction), cotangent>
double loss_at(const Function& function, std::vector<Tensor> inputs, std::size_t k,
               const std::vector<double>& values, const std::vector<double>& direction, double t,
               const std::vector<double>& cotangent) {
  const NoGrad no_grad;
  Array moved{inputs[k].shape(), values};
  for (std::size_t i = 0; i < values.size(); ++i) moved.values[i] += t * direction[i];
  inputs[k] = to_tensor(moved, DType::float64);
  return dot(function(inputs).to_doubles(), cotangent);
}

void compare_with_differences(const Function& function, const std::vector<Tensor>& inputs,
                              const std::string& what) {
  const Tensor output = function(inputs);
  const Array cotangent = cotangent_for(output.shape());
  output.backward(to_tensor(cotangent, DType::float64));
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].requires_grad() || inputs[k].numel() == 0) continue;
    ASSERT_TRUE(inputs[k].grad().defined()) << what << ": input " << k << " got no gradient";
    const std::vector<double> gradient = inputs[k].grad().to_doubles();
    const std::vector<double> values = inputs[k].to_doubles();
    const std::int64_t count = inputs[k].numel();
    const bool each = count <= all_elements_up_to;
    for (std::int64_t trial = 0; trial < (each ? count : directions); ++trial) {
      std::vector<double> direction(values.size());
      if (each) {
        direction[static_cast<std::size_t>(trial)] = 1;
      } else {
        direction = random_values(count, -1, 1, 99 + static_cast<std::uint64_t>(trial));
      }
      const double above = loss_at(function, inputs, k, values, direction, step_size, cotangent.values);
      const double below = loss_at(function, inputs, k, values, direction, -step_size, cotangent.values);
      const double numeric = (above - below) / (2 * step_size);
      const double analytic = dot(gradient, direction);
      const double scale = 1 + std::fabs(numeric) + 1e-3 * std::fabs(above);
      ASSERT_LE(std::fabs(numeric - analytic), difference_tolerance * scale)
          << what << ": input " << k << (each ? ", element " : ", random direction ") << trial
          << ": central difference " << numeric << ", backward " << analytic;
    }
  }
}

std::vector<Array> gradients_of(const OpCase& op_case, std::span<const Array> arrays, DType dtype,
                                Device device) {
  const std::vector<Tensor> inputs = to_tensors(op_case, arrays, dtype, device, true);
  const Tensor output = op_case.op(inputs);
  output.backward(to_tensor(cotangent_for(output.shape()), dtype, device));
  std::vector<Array> gradients;
  for (const Tensor& input : inputs)
    gradients.push_back(input.grad().defined() ? to_array(input.grad()) : Array{});
  return gradients;
}

}  // namespace

void expect_close(const Array& got, const Array& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.shape.to_string(), want.shape.to_string()) << what;
  std::int64_t bad = 0;
  double worst = 0;
  std::string first;
  for (std::int64_t i = 0; i < got.shape.numel(); ++i) {
    const double g = got[i];
    const double w = want[i];
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const double error = std::fabs(g - w) / (1 + std::fabs(w));
    if (error <= tolerance) continue;  // false for NaN and infinities
    if (bad++ == 0) first = fmt::format("element {}: got {:.9g}, expected {:.9g}", i, g, w);
    worst = std::max(worst, error);
  }
  EXPECT_EQ(bad, 0) << what << ": " << bad << " of " << got.shape.numel() << " elements differ, worst by "
                    << worst << " (tolerance " << tolerance << "); first: " << first;
}

void check_parity(const OpCase& op_case) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    const std::vector<Array> arrays = make_inputs(op_case, dtype);
    const Array want = op_case.reference(arrays);
    for (const Device device : test_devices()) {
      const std::string what = fmt::format("{} {} {}", op_case.name, dtype, device);
      const std::vector<Tensor> inputs = to_tensors(op_case, arrays, dtype, device, false);
      const Tensor output = op_case.op(inputs);
      EXPECT_EQ(output.device(), device) << what;
      expect_close(to_array(output), want, dtype == DType::float64 ? op_case.tolerance64 : op_case.tolerance,
                   what);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        expect_close(to_array(inputs[i]), arrays[i], 0,
                     what + ": input " + std::to_string(i) + " was changed");
      }
    }
  }
}

void check_gradients(const OpCase& op_case) {
  const std::vector<Array> arrays = make_inputs(op_case, DType::float32);
  const std::vector<Tensor> leaves = to_tensors(op_case, arrays, DType::float64, Device::cpu(), true);
  // Values that float32 can hold, computed with in float64: the truth for every other device and precision.
  ASSERT_NO_FATAL_FAILURE(compare_with_differences(op_case.op, leaves, op_case.name));
  for (const DType dtype : {DType::float64, DType::float32}) {
    for (const Device device : test_devices()) {
      if (dtype == DType::float64 && device.is_cpu()) continue;
      const std::vector<Array> gradients = gradients_of(op_case, arrays, dtype, device);
      for (std::size_t k = 0; k < leaves.size(); ++k) {
        if (!leaves[k].requires_grad() || leaves[k].numel() == 0) continue;
        expect_close(gradients[k], to_array(leaves[k].grad()),
                     dtype == DType::float64 ? op_case.tolerance64 : op_case.tolerance,
                     fmt::format("{} {} {}: gradient of input {}", op_case.name, dtype, device, k));
      }
    }
  }
}

std::vector<OpCase> tested(std::vector<OpCase> table) {
  std::erase_if(table, [](const OpCase& op_case) { return op_case.benchmark_only; });
  return table;
}

void check_gradient_of(const Function& function, std::vector<Tensor> inputs, const std::string& what) {
  compare_with_differences(function, inputs, what);
}

}  // namespace gnn::testing
