#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cases/binary.h"
#include "gnn/layers/compare.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> compare() {
  struct Function {
    std::string name;
    std::function<Tensor(const Tensor&, const Tensor&)> op;
    std::function<bool(double, double)> value;
  };
  const std::vector<Function> functions = {
      {"eq", [](const Tensor& a, const Tensor& b) { return eq(a, b); }, std::equal_to<double>()},
      {"ne", [](const Tensor& a, const Tensor& b) { return ne(a, b); }, std::not_equal_to<double>()},
      {"lt", [](const Tensor& a, const Tensor& b) { return lt(a, b); }, std::less<double>()},
      {"le", [](const Tensor& a, const Tensor& b) { return le(a, b); }, std::less_equal<double>()},
      {"gt", [](const Tensor& a, const Tensor& b) { return gt(a, b); }, std::greater<double>()},
      {"ge", [](const Tensor& a, const Tensor& b) { return ge(a, b); }, std::greater_equal<double>()},
  };
  std::vector<OpCase> table;
  // Few whole numbers, so that a fifth of the pairs are equal; an empty dtype is float32 and float64.
  const auto pair = [&](const Function& function, const std::string& size, const Shape& a, const Shape& b,
                        const Shape& result, std::optional<DType> dtype = {}, bool benchmark = false) {
    OpCase op_case;
    op_case.name = function.name + "_" + size + (dtype ? "_" + std::string(name_of(*dtype)) : "");
    op_case.inputs = {{a, 0, 4, Fill::integer, false, dtype}, {b, 0, 4, Fill::integer, false, dtype}};
    op_case.op = [op = function.op](std::span<const Tensor> in) { return op(in[0], in[1]); };
    op_case.reference = [value = function.value, result](std::span<const Array> in) {
      Array out = array(result);
      for (std::int64_t i = 0; i < result.numel(); ++i) {
        out[i] = value(in[0][broadcast_source(in[0].shape, result, i)],
                       in[1][broadcast_source(in[1].shape, result, i)]);
      }
      return out;
    };
    op_case.gradient = false;
    op_case.benchmark = benchmark;
    op_case.flops = static_cast<double>(result.numel());
    table.push_back(op_case);
  };
  for (const Function& function : functions) {
    pair(function, "0", {0}, {0}, {0});
    pair(function, "scalars", {}, {}, {});
    pair(function, "31", {31}, {31}, {31});
    pair(function, "1023", {1023}, {1023}, {1023});
    pair(function, "scalar_second", {33, 3}, {}, {33, 3});
    pair(function, "rows", {33, 31}, {31}, {33, 31});
    pair(function, "outer", {31, 1}, {1, 33}, {31, 33});
    for (const DType dtype : {DType::int32, DType::int64, DType::uint8, DType::float16, DType::bfloat16})
      pair(function, "33x31", {33, 31}, {33, 31}, {33, 31}, dtype);
  }
  pair(functions[0], "labels", {10000}, {10000}, {10000}, DType::int64, true);
  pair(functions[4], "8M", {1 << 23}, {1 << 23}, {1 << 23}, {}, true);
  table.back().benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
