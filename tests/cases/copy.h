#pragma once

#include <string>
#include <vector>

#include "gnn/layers/copy.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// Casts between float32 and float64, there and back; every other pair of dtypes is in test_copy.cpp,
/// exactly.
inline std::vector<OpCase> copy() {
  std::vector<OpCase> table;
  const auto same = [](std::span<const Array> in) { return in[0]; };
  const auto add = [&](const std::string& name, const Shape& shape, auto op, double tolerance64,
                       double bytes) {
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{shape}};
    op_case.op = [op](std::span<const Tensor> in) { return op(in[0]); };
    op_case.reference = same;
    op_case.tolerance = 0x1p-24;        // the gradient test rounds its cotangent to float32
    op_case.tolerance64 = tolerance64;  // 2^-24 where values pass through float32
    op_case.gradient = tolerance64 == 0;
    op_case.benchmark = bytes != 0;
    op_case.bytes = bytes * static_cast<double>(shape.numel());
    table.push_back(op_case);
  };
  const auto via = [](DType dtype) {
    return [dtype](const Tensor& x) { return to(to(x, dtype), x.dtype()); };
  };
  const auto cloned = [](const Tensor& x) { return clone(x); };
  for (const auto& [size, shape] : std::vector<std::pair<std::string, Shape>>{
           {"0", {0}}, {"scalar", {}}, {"1", {1}}, {"31", {31}}, {"33x3", {33, 3}}, {"1023", {1023}}}) {
    add("clone_" + size, shape, cloned, 0, 0);
    add("float64_and_back_" + size, shape, via(DType::float64), 0, 0);
    add("float32_and_back_" + size, shape, via(DType::float32), 0x1p-24, 0);
  }
  add("clone_64x500", {64, 500}, cloned, 0, 8);
  add("float64_and_back_4M", {1 << 22}, via(DType::float64), 0, 24);
  table.back().gradient = false;
  return table;
}

}  // namespace gnn::testing::cases
