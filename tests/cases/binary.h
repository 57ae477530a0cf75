#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gnn/layers/binary.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// The element of an array of shape `shape` that broadcasting puts at `index` of the shape `result`.
inline std::int64_t broadcast_source(const Shape& shape, const Shape& result, std::int64_t index) {
  std::int64_t source = 0;
  std::int64_t step = 1;
  for (std::size_t i = 1; i <= result.dim(); ++i) {  // from the last axis
    const std::int64_t position = index % result[result.dim() - i];
    index /= result[result.dim() - i];
    if (i > shape.dim()) continue;
    const std::int64_t size = shape[shape.dim() - i];
    if (size != 1) source += position * step;
    step *= size;
  }
  return source;
}

inline std::vector<OpCase> binary() {
  using Value = std::function<double(double, double)>;
  struct Function {
    std::string name;
    std::function<Tensor(const Tensor&, const Tensor&)> op;
    Value value;
    double low_a, high_a, low_b, high_b;
    bool kink = false;  // where a == b: the ranges differ so that they never meet
  };
  const std::vector<Function> functions = {
      {"add", [](const Tensor& a, const Tensor& b) { return a + b; },
       [](double a, double b) { return a + b; }, -2, 2, -2, 2},
      {"sub", [](const Tensor& a, const Tensor& b) { return a - b; },
       [](double a, double b) { return a - b; }, -2, 2, -2, 2},
      {"mul", [](const Tensor& a, const Tensor& b) { return a * b; },
       [](double a, double b) { return a * b; }, -2, 2, -2, 2},
      {"div", [](const Tensor& a, const Tensor& b) { return a / b; },
       [](double a, double b) { return a / b; }, -2, 2, 0.5, 2},
      {"pow", [](const Tensor& a, const Tensor& b) { return pow(a, b); },
       [](double a, double b) { return std::pow(a, b); }, 0.5, 2, -2, 2},
      {"maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b); },
       [](double a, double b) { return a > b ? a : b; }, -2, 2, -1.83, 1.77, true},
      {"minimum", [](const Tensor& a, const Tensor& b) { return minimum(a, b); },
       [](double a, double b) { return a < b ? a : b; }, -2, 2, -1.83, 1.77, true},
  };
  std::vector<OpCase> table;
  const auto pair = [&](const Function& function, const std::string& size, const Shape& a, const Shape& b,
                        const Shape& result, bool benchmark = false) {
    const Fill fill = function.kink ? Fill::distinct : Fill::uniform;
    OpCase op_case;
    op_case.name = function.name + "_" + size;
    op_case.inputs = {{a, function.low_a, function.high_a, fill}, {b, function.low_b, function.high_b, fill}};
    op_case.op = [op = function.op](std::span<const Tensor> in) { return op(in[0], in[1]); };
    op_case.reference = [value = function.value, result](std::span<const Array> in) {
      Array out = array(result);
      for (std::int64_t i = 0; i < result.numel(); ++i) {
        out[i] = value(in[0][broadcast_source(in[0].shape, result, i)],
                       in[1][broadcast_source(in[1].shape, result, i)]);
      }
      return out;
    };
    op_case.benchmark = benchmark;
    op_case.flops = static_cast<double>(result.numel());
    table.push_back(op_case);
  };
  for (const Function& function : functions) {
    pair(function, "0", {0}, {0}, {0});
    pair(function, "0_broadcast", {4, 0}, {4, 1}, {4, 0});
    pair(function, "scalars", {}, {}, {});
    pair(function, "1", {1}, {1}, {1});
    pair(function, "31", {31}, {31}, {31});
    pair(function, "33x3", {33, 3}, {33, 3}, {33, 3});
    pair(function, "1023", {1023}, {1023}, {1023});
    pair(function, "scalar_second", {33, 3}, {}, {33, 3});
    pair(function, "scalar_first", {1}, {5, 31}, {5, 31});
    pair(function, "rows", {33, 31}, {31}, {33, 31});
    pair(function, "columns", {33, 1}, {33, 31}, {33, 31});
    pair(function, "outer", {31, 1}, {1, 33}, {31, 33});
    pair(function, "channels", {2, 3, 5, 7}, {3, 1, 1}, {2, 3, 5, 7});
    pair(function, "alternating", {1, 3, 1, 5, 1, 2}, {4, 1, 2, 1, 3, 1}, {4, 3, 2, 5, 3, 2});
    pair(function, "64x500", {64, 500}, {500}, {64, 500}, true);
    // Among so many random pairs some are equal within the step of the differences.
    table.back().gradient = !function.kink;
  }
  pair(functions[2], "feature_maps", {64, 20, 24, 24}, {20, 1, 1}, {64, 20, 24, 24}, true);
  table.back().gradient = false;  // sums so long that differences drown in rounding; "channels" checks it
  pair(functions[0], "8M", {1 << 23}, {1 << 23}, {1 << 23}, true);
  table.back().gradient = false;

  struct ScalarFunction {
    std::string name;
    std::function<Tensor(const Tensor&)> op;
    std::function<double(double)> value;
    double low, high;
  };
  const std::vector<ScalarFunction> with_scalar = {
      {"x_plus_c", [](const Tensor& x) { return x + 1.5; }, [](double x) { return x + 1.5; }, -2, 2},
      {"c_plus_x", [](const Tensor& x) { return 1.5 + x; }, [](double x) { return 1.5 + x; }, -2, 2},
      {"x_minus_c", [](const Tensor& x) { return x - 1.5; }, [](double x) { return x - 1.5; }, -2, 2},
      {"c_minus_x", [](const Tensor& x) { return 1.5 - x; }, [](double x) { return 1.5 - x; }, -2, 2},
      {"x_times_c", [](const Tensor& x) { return x * -1.5; }, [](double x) { return x * -1.5; }, -2, 2},
      {"x_over_c", [](const Tensor& x) { return x / -1.5; }, [](double x) { return x / -1.5; }, -2, 2},
      {"c_over_x", [](const Tensor& x) { return 1.5 / x; }, [](double x) { return 1.5 / x; }, 0.5, 2},
      {"x_pow_c", [](const Tensor& x) { return pow(x, 2.5); }, [](double x) { return std::pow(x, 2.5); }, 0.5,
       2},
      {"x_squared", [](const Tensor& x) { return pow(x, 2); }, [](double x) { return x * x; }, -2, 2},
      {"c_pow_x", [](const Tensor& x) { return pow(1.5, x); }, [](double x) { return std::pow(1.5, x); }, -2,
       2},
      {"max_c", [](const Tensor& x) { return maximum(x, 0.25); },
       [](double x) { return x > 0.25 ? x : 0.25; }, -2, 2},
      {"min_c", [](const Tensor& x) { return minimum(x, 0.25); },
       [](double x) { return x < 0.25 ? x : 0.25; }, -2, 2},
  };
  for (const ScalarFunction& function : with_scalar) {
    for (const auto& [size, shape] :
         std::vector<std::pair<std::string, Shape>>{{"0", {0}}, {"1", {1}}, {"33x31", {33, 31}}}) {
      OpCase op_case;
      op_case.name = function.name + "_" + size;
      op_case.inputs = {{shape, function.low, function.high}};
      op_case.op = [op = function.op](std::span<const Tensor> in) { return op(in[0]); };
      op_case.reference = [value = function.value](std::span<const Array> in) {
        Array out = in[0];
        for (double& v : out.values) v = value(v);
        return out;
      };
      table.push_back(op_case);
    }
  }
  return table;
}

}  // namespace gnn::testing::cases
