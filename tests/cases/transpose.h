#pragma once

#include <string>
#include <vector>

#include "gnn/layers/transpose.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> transpose() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& shape) -> OpCase& {
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{.shape = shape}};
    op_case.op = [](std::span<const Tensor> in) { return gnn::transpose(in[0]); };
    op_case.reference = [](std::span<const Array> in) {
      const std::size_t dim = in[0].shape.dim();
      const std::int64_t rows = in[0].shape[dim - 2], columns = in[0].shape[dim - 1];
      Array y = array(in[0].shape.with(dim - 2, columns).with(dim - 1, rows));
      for (std::int64_t at = 0; at < y.shape.numel(); ++at) {
        const std::int64_t b = at / rows / columns, j = at / rows % columns, i = at % rows;
        y[at] = in[0][(b * rows + i) * columns + j];
      }
      return y;
    };
    op_case.tolerance = 6e-8;  // a copy; its gradient is the rounded cotangent
    op_case.tolerance64 = 0;
    table.push_back(op_case);
    return table.back();
  };
  add("0x3", {0, 3});
  add("2x3x0", {2, 3, 0});
  add("1x1", {1, 1});
  add("31x33", {31, 33});
  add("33x31", {33, 31});
  add("1x1023", {1, 1023});
  add("1023x1", {1023, 1});
  add("2x3x5x7", {2, 3, 5, 7});
  add("3x65x40", {3, 65, 40});
  OpCase& weight = add("weight_500x800", {500, 800});
  weight.benchmark = true;
  weight.gradient = false;  // linear: the small shapes say it all
  OpCase& large = add("4096x4096", {4096, 4096});
  large.benchmark = large.benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
