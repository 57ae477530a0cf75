#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gnn/layers/unary.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> unary() {
  struct Function {
    std::string name;
    std::function<Tensor(const Tensor&)> op;
    std::function<double(double)> value;
    double low, high;
  };
  // Steps, kinks and poles lie outside the ranges or, at 0 and the halves, between the `distinct` values.
  const std::vector<Function> functions = {
      {"abs", [](const Tensor& x) { return abs(x); }, [](double x) { return x < 0 ? -x : x; }, -3, 3},
      {"ceil", [](const Tensor& x) { return ceil(x); },
       [](double x) { return static_cast<double>(static_cast<int>(x + 10)) - 9; }, -0.95, -0.05},
      {"clamp", [](const Tensor& x) { return clamp(x, -0.501, 1.502); },
       [](double x) { return std::min(std::max(x, -0.501), 1.502); }, -3, 3},
      {"cos", [](const Tensor& x) { return cos(x); }, [](double x) { return std::cos(x); }, -9, 9},
      {"exp", [](const Tensor& x) { return exp(x); }, [](double x) { return std::exp(x); }, -3, 3},
      {"expm1", [](const Tensor& x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -0.1, 0.1},
      {"floor", [](const Tensor& x) { return floor(x); },
       [](double x) { return static_cast<double>(static_cast<int>(x + 10)) - 10; }, -0.95, -0.05},
      {"log", [](const Tensor& x) { return log(x); }, [](double x) { return std::log(x); }, 0.3, 9},
      {"log1p", [](const Tensor& x) { return log1p(x); }, [](double x) { return std::log1p(x); }, -0.1, 0.1},
      {"neg", [](const Tensor& x) { return -x; }, [](double x) { return 0 - x; }, -3, 3},
      {"reciprocal", [](const Tensor& x) { return reciprocal(x); }, [](double x) { return 1 / x; }, 0.5, 3},
      {"round", [](const Tensor& x) { return round(x); }, [](double) { return 1.0; }, 0.55, 1.45},
      {"rsqrt", [](const Tensor& x) { return rsqrt(x); }, [](double x) { return std::pow(x, -0.5); }, 0.5, 3},
      {"sign", [](const Tensor& x) { return sign(x); }, [](double x) { return x < 0 ? -1.0 : 1.0; }, -3, 3},
      {"sin", [](const Tensor& x) { return sin(x); }, [](double x) { return std::sin(x); }, -9, 9},
      {"sqrt", [](const Tensor& x) { return sqrt(x); }, [](double x) { return std::pow(x, 0.5); }, 0.3, 9},
      {"square", [](const Tensor& x) { return square(x); }, [](double x) { return x * x; }, -3, 3},
  };
  std::vector<OpCase> table;
  for (const Function& function : functions) {
    const auto add = [&](const std::string& size, const Shape& shape, bool benchmark = false) {
      OpCase op_case;
      op_case.name = function.name + "_" + size;
      op_case.inputs = {{shape, function.low, function.high, Fill::distinct}};
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
    add("0", {0});
    add("1", {1});
    add("31", {31});
    add("33x3", {33, 3});
    add("1023", {1023});
    add("64x500", {64, 500}, true);
  }
  OpCase large = table.back();  // square, beyond the last-level cache
  large.name = "square_8M";
  large.inputs = {{{1 << 23}, -3, 3}};
  large.gradient = false;
  large.flops = 1 << 23;
  table.push_back(large);
  return table;
}

}  // namespace gnn::testing::cases
