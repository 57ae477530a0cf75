#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gnn/layers/reduction.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// The cases of a loss that is `value(input - target)` for each element.
inline std::vector<OpCase> elementwise_loss(Tensor (*loss)(const Tensor&, const Tensor&, Reduction),
                                            const std::function<double(double)>& value) {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& shape, Reduction reduction) -> OpCase& {
    OpCase op_case;
    op_case.name = name;
    // Of different ranges: inputs and targets are never equal, where |x| has a kink, but differences have
    // both signs.
    op_case.inputs = {{.shape = shape, .fill = Fill::distinct},
                      {.shape = shape, .low = -0.9, .fill = Fill::distinct}};
    op_case.op = [=](std::span<const Tensor> in) { return loss(in[0], in[1], reduction); };
    op_case.reference = [=](std::span<const Array> in) {
      Array each = in[0];
      double sum = 0;
      for (std::size_t i = 0; i < each.values.size(); ++i) {
        each.values[i] = value(in[0].values[i] - in[1].values[i]);
        sum += each.values[i];
      }
      if (reduction == Reduction::none) return each;
      Array result = array({});
      result[0] = reduction == Reduction::mean ? sum / static_cast<double>(each.values.size()) : sum;
      return result;
    };
    op_case.flops = 3 * static_cast<double>(shape.numel());
    table.push_back(op_case);
    return table.back();
  };
  for (const auto& [name, reduction] :
       {std::pair{"none", Reduction::none}, {"mean", Reduction::mean}, {"sum", Reduction::sum}}) {
    const std::string suffix = std::string("_") + name;
    add("1" + suffix, {1}, reduction);
    add("31" + suffix, {31}, reduction);
    add("11x3" + suffix, {11, 3}, reduction);
    add("1023" + suffix, {1023}, reduction);
  }
  add("0_none", {0}, Reduction::none);
  add("two_phases", {40001}, Reduction::mean);
  add("digits_64x784", {64, 784}, Reduction::mean).benchmark = true;
  OpCase& large = add("16M", {1 << 24}, Reduction::mean);
  large.benchmark = large.benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
