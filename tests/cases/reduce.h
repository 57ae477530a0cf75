#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gnn/layers/reduce.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// The reduction of each group of elements that differ in `axes` only, by definition: `reduce` gets the
/// group's values in row-major order.
template <class Reduce>
Array reduce_groups(const Array& x, const std::vector<std::int64_t>& axes, bool keepdim,
                    const Reduce& reduce) {
  const std::size_t dim = x.shape.dim();
  std::vector<bool> reduced(dim, axes.empty());
  for (const std::int64_t axis : axes) reduced[x.shape.normalize_axis(axis)] = true;
  std::vector<std::int64_t> sizes;
  for (std::size_t axis = 0; axis < dim; ++axis) {
    if (!reduced[axis] || keepdim) sizes.push_back(reduced[axis] ? 1 : x.shape[axis]);
  }
  Array y = array(Shape(sizes));
  std::vector<std::vector<double>> groups(y.values.size());
  for (std::int64_t at = 0; at < x.shape.numel(); ++at) {
    std::int64_t rest = at, output = 0, stride = 1;
    for (std::size_t axis = dim; axis-- > 0;) {
      const std::int64_t index = rest % x.shape[axis];
      rest /= x.shape[axis];
      if (reduced[axis]) continue;
      output += index * stride;
      stride *= x.shape[axis];
    }
    groups[static_cast<std::size_t>(output)].push_back(x[at]);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) y.values[i] = reduce(groups[i]);
  return y;
}

inline double sum_of(const std::vector<double>& values) {
  double sum = 0, lost = 0;  // Neumaier: the reference is exact to the last bit or two
  for (const double v : values) {
    const double next = sum + v;
    lost += std::fabs(sum) >= std::fabs(v) ? (sum - next) + v : (v - next) + sum;
    sum = next;
  }
  return sum + lost;
}

inline double mean_of(const std::vector<double>& values) {
  return sum_of(values) / static_cast<double>(values.size());
}

inline double max_of(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

inline Axes axes_of(const std::vector<std::int64_t>& axes) {
  return Axes(std::span<const std::int64_t>(axes));
}

inline std::vector<OpCase> reduce() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& shape, const std::vector<std::int64_t>& axes,
                       bool keepdim = false, bool benchmark = false) {
    OpCase sum_case;
    sum_case.name = "sum_" + name;
    sum_case.inputs = {{.shape = shape}};
    sum_case.op = [=](std::span<const Tensor> in) { return sum(in[0], axes_of(axes), keepdim); };
    sum_case.reference = [=](std::span<const Array> in) {
      return reduce_groups(in[0], axes, keepdim, sum_of);
    };
    sum_case.benchmark = benchmark;
    sum_case.flops = static_cast<double>(shape.numel());
    table.push_back(sum_case);

    OpCase mean_case = sum_case;
    mean_case.name = "mean_" + name;
    mean_case.inputs[0].low = 0.5;  // all of one sign: rounding errors that add up would show
    mean_case.inputs[0].high = 1.5;
    mean_case.op = [=](std::span<const Tensor> in) { return mean(in[0], axes_of(axes), keepdim); };
    mean_case.reference = [=](std::span<const Array> in) {
      return reduce_groups(in[0], axes, keepdim, mean_of);
    };
    mean_case.benchmark = false;
    table.push_back(mean_case);

    OpCase max_case = sum_case;
    max_case.name = "max_" + name;
    max_case.inputs[0].fill = Fill::distinct;
    max_case.op = [=](std::span<const Tensor> in) { return max(in[0], axes_of(axes), keepdim); };
    max_case.reference = [=](std::span<const Array> in) {
      return reduce_groups(in[0], axes, keepdim, max_of);
    };
    max_case.tolerance = 6e-8;  // an element; its gradient is the rounded cotangent
    max_case.tolerance64 = 0;
    if (shape.numel() > 0) table.push_back(max_case);
  };
  add("scalar", {}, {});
  add("1", {1}, {0});
  add("31", {31}, {0});
  add("33_keepdim", {33}, {}, true);
  add("1023", {1023}, {-1});
  add("rows_5x10", {5, 10}, {1});
  add("rows_3x1025", {3, 1025}, {-1}, true);
  add("columns_31x3", {31, 3}, {0});
  add("columns_7x300", {7, 300}, {0}, true);
  add("middle_3x5x7", {3, 5, 7}, {1});
  add("outer_and_inner_4x3x9", {4, 3, 9}, {0, 2});
  add("interleaved_3x4x5x6x2", {3, 4, 5, 6, 2}, {0, 2, -1}, true);
  add("all_of_3x1x7", {3, 1, 7}, {});
  add("axis_of_1", {3, 1, 7}, {1});
  add("no_outputs", {0, 5}, {1});
  add("two_phases", {40001}, {0});  // several blocks or threads for one output
  add("two_phases_columns", {3001, 37}, {0});
  add("bias_gradient_64x500", {64, 500}, {0}, false, true);
  add("bias_gradient_64x20x24x24", {64, 20, 24, 24}, {0, 2, 3}, false, true);
  for (OpCase& op_case : table) {
    if (op_case.inputs[0].shape.numel() > 100000)
      op_case.gradient = false;  // linear: small shapes say it all
  }
  // Beyond the last-level cache.
  for (const bool rows : {true, false}) {
    OpCase large = table[0];
    large.name = rows ? "sum_rows_4096x4096" : "sum_columns_4096x4096";
    large.inputs = {{.shape = {4096, 4096}}};
    large.op = [=](std::span<const Tensor> in) { return sum(in[0], rows ? 1 : 0); };
    large.reference = [=](std::span<const Array> in) {
      return reduce_groups(in[0], {rows ? 1 : 0}, false, sum_of);
    };
    large.flops = 4096.0 * 4096.0;
    large.gradient = false;
    large.benchmark = true;
    large.benchmark_only = true;
    table.push_back(large);
  }
  return table;
}

}  // namespace gnn::testing::cases
