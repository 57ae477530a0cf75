#pragma once

#include <string>
#include <vector>

#include "gnn/layers/fill.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> fill() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& size, const Shape& shape, bool benchmark) {
    OpCase op_case;
    op_case.name = "full_" + size;
    op_case.inputs = {{shape}};  // for its shape, dtype and device only
    op_case.op = [](std::span<const Tensor> in) { return full_like(in[0], -2.5); };
    op_case.reference = [](std::span<const Array> in) {
      Array out = array(in[0].shape);
      for (double& value : out.values) value = -2.5;
      return out;
    };
    op_case.tolerance = 0;
    op_case.tolerance64 = 0;
    op_case.gradient = false;
    op_case.benchmark = benchmark;
    op_case.bytes = 4.0 * static_cast<double>(shape.numel());
    table.push_back(op_case);
  };
  add("0", {0}, false);
  add("scalar", {}, false);
  add("1", {1}, false);
  add("31", {31}, false);
  add("33x3", {33, 3}, false);
  add("1023", {1023}, false);
  add("64x500", {64, 500}, true);
  add("16M", {1 << 24}, true);
  return table;
}

}  // namespace gnn::testing::cases
