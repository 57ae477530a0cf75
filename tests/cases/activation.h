#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gnn/layers/activation.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> activation() {
  struct Function {
    std::string name;
    std::function<Tensor(const Tensor&)> op;
    std::function<double(double)> value;
    bool kink;  // at 0: inputs stay off it
  };
  const double pi = std::acos(-1.0);
  const std::vector<Function> functions = {
      {"relu", [](const Tensor& x) { return relu(x); }, [](double x) { return x > 0 ? x : 0; }, true},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.1); },
       [](double x) { return x > 0 ? x : 0.1 * x; }, true},
      {"elu", [](const Tensor& x) { return elu(x, 0.7); },
       [](double x) { return x > 0 ? x : 0.7 * (std::exp(x) - 1); }, true},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); },
       false},
      {"tanh", [](const Tensor& x) { return tanh(x); },
       [](double x) { return (std::exp(2 * x) - 1) / (std::exp(2 * x) + 1); }, false},
      {"gelu", [](const Tensor& x) { return gelu(x); },
       [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; }, false},
      {"gelu_tanh", [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); },
       [pi](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x))); },
       false},
      {"silu", [](const Tensor& x) { return silu(x); }, [](double x) { return x / (1 + std::exp(-x)); },
       false},
      {"softplus", [](const Tensor& x) { return softplus(x, 2); },
       [](double x) { return 2 * x > 20 ? x : std::log(1 + std::exp(2 * x)) / 2; }, false},
      {"step", [](const Tensor& x) { return step(x); }, [](double x) { return x > 0 ? 1.0 : 0.0; }, true},
  };
  std::vector<OpCase> table;
  for (const Function& function : functions) {
    const auto add = [&](const std::string& size, const Shape& shape, double range, bool benchmark) {
      OpCase op_case;
      op_case.name = function.name + "_" + size;
      op_case.inputs = {{shape, -range, range, function.kink ? Fill::distinct : Fill::uniform}};
      op_case.op = [op = function.op](std::span<const Tensor> in) { return op(in[0]); };
      op_case.reference = [value = function.value](std::span<const Array> in) {
        Array out = in[0];
        for (double& v : out.values) v = value(v);
        return out;
      };
      op_case.benchmark = benchmark;
      op_case.flops = static_cast<double>(shape.numel());
      table.push_back(op_case);
    };
    add("0", {0}, 3, false);
    add("1", {1}, 3, false);
    add("31", {31}, 3, false);
    add("33x3", {33, 3}, 3, false);
    add("1023", {1023}, 3, false);
    add("wide_range", {501}, 40, false);  // both tails: nothing overflows
    add("64x500", {64, 500}, 3, true);    // LeNet's hidden layer
  }
  OpCase large = table[6];  // beyond the last-level cache
  large.name = "relu_16M";
  large.inputs = {{{1 << 24}, -3, 3, Fill::uniform}};
  large.benchmark_only = true;
  large.benchmark = true;
  large.flops = 1 << 24;
  table.push_back(large);
  return table;
}

}  // namespace gnn::testing::cases
