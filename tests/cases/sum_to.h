#pragma once

#include <string>
#include <vector>

#include "gnn/kernels/sum_to.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> sum_to() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& x, const Shape& y, bool benchmark = false) {
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{x}};
    op_case.op = [y](std::span<const Tensor> in) {
      Tensor sum = empty(y, in[0].options());
      kernels::run<kernels::SumTo>(in[0], -2.0, sum);
      return sum;
    };
    op_case.reference = [y](std::span<const Array> in) {
      const Shape& shape = in[0].shape;
      Array out = array(y);
      for (std::int64_t i = 0; i < shape.numel(); ++i) {
        std::int64_t rest = i;
        std::int64_t target = 0;
        std::int64_t step = 1;
        for (std::size_t axis = shape.dim(); axis-- > 0;) {
          const std::int64_t position = rest % shape[axis];
          rest /= shape[axis];
          if (axis + y.dim() < shape.dim()) continue;  // an axis that y does not have
          const std::int64_t size = y[axis + y.dim() - shape.dim()];
          if (size != 1) target += position * step;
          step *= size;
        }
        out[target] += in[0][i];
      }
      for (double& value : out.values) value *= -2;
      return out;
    };
    // The result is rounded once to float32. In float64 the error of the sum, the reference's included, is up
    // to n * 2^-53 in theory and about sqrt(n) * 2^-53 in practice, relative to the terms.
    op_case.tolerance = 0x1p-24;
    op_case.tolerance64 = x.numel() > 10000 ? 1e-12 : 1e-13;
    op_case.gradient = false;  // the adjoint of a broadcast; layers/binary tests it as such
    op_case.benchmark = benchmark;
    op_case.flops = static_cast<double>(x.numel());
    table.push_back(op_case);
  };
  add("nothing_to_sum", {3, 5}, {3, 5});
  add("one", {1, 1}, {1});
  add("no_results", {4, 0}, {0});
  add("no_terms", {0, 300}, {300});
  add("no_terms_inside", {3, 0}, {3, 1});
  add("all_31", {31}, {});
  add("all_33x3", {33, 3}, {1});
  add("all_1023", {1023}, {1});
  add("rows_31", {5, 31}, {5, 1});
  add("rows_1", {1, 33}, {1, 1});
  add("rows_33", {6, 33}, {6, 1});  // runs that begin amid sectors of memory
  add("rows_289", {9, 289}, {9, 1});
  add("channels_14x14", {3, 5, 14, 14}, {5, 1, 1});
  add("columns_31x7", {31, 7}, {7});
  add("columns_2x1023", {2, 1023}, {1023});
  add("columns_1023x3", {1023, 3}, {3});
  add("channels", {4, 3, 5, 7}, {3, 1, 1});
  add("alternating_kept_first", {2, 3, 4, 5, 2, 3, 2, 2}, {2, 1, 4, 1, 2, 1, 2, 1});
  add("alternating_summed_first", {2, 3, 4, 5, 2, 3, 2, 2}, {3, 1, 5, 1, 3, 1, 2});
  add("long_rows", {3, 20000}, {3, 1});              // several chunks on CUDA
  add("long_columns", {20000, 3}, {3});              // several chunks on both
  add("long_everything", {300, 7, 100}, {1});        // chunks of one result
  add("long_channels", {50, 3, 41, 41}, {3, 1, 1});  // chunks that start within a run
  add("bias_64x500", {64, 500}, {500}, true);        // LeNet's hidden layer
  add("bias_64x20x24x24", {64, 20, 24, 24}, {20, 1, 1}, true);
  add("bias_4096x2048", {4096, 2048}, {2048}, true);  // beyond the cache
  return table;
}

}  // namespace gnn::testing::cases
