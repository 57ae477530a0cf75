#pragma once

#include <string>
#include <vector>

#include "cases/gemm.h"
#include "gnn/layers/linear.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline Array linear_reference(std::span<const Array> in, bool relu) {
  const Array& x = in[0];
  const Array& weight = in[1];
  const std::int64_t features = weight.shape[1];
  const std::int64_t out = weight.shape[0];
  Array y = array(x.shape.with(x.shape.dim() - 1, out));
  const std::int64_t rows = out == 0 ? 0 : y.shape.numel() / out;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t o = 0; o < out; ++o) {
      double sum = in.size() > 2 ? in[2][o] : 0;
      for (std::int64_t i = 0; i < features; ++i) sum += x[r * features + i] * weight[o * features + i];
      y[r * out + o] = relu && sum < 0 ? 0 : sum;
    }
  }
  return y;
}

inline std::vector<OpCase> linear() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& x, std::int64_t out, bool bias = true,
                       bool benchmark = false, bool relu = false) -> OpCase& {
    const std::int64_t in = x.size(-1);
    OpCase op_case;
    op_case.name = name + (relu ? "_relu" : "") + (bias ? "" : "_no_bias");
    op_case.inputs = {{x}, {{out, in}}};
    if (bias) op_case.inputs.push_back({{out}});
    op_case.op = [=](std::span<const Tensor> inputs) {
      const Tensor vector = bias ? inputs[2] : Tensor();
      return relu ? gnn::linear_relu(inputs[0], inputs[1], vector)
                  : gnn::linear(inputs[0], inputs[1], vector);
    };
    op_case.reference = [=](std::span<const Array> inputs) { return linear_reference(inputs, relu); };
    const std::int64_t rows = in == 0 ? 1 : x.numel() / in;
    set_matmul_tolerance(op_case, std::max({in, out, rows}) + 1);
    op_case.benchmark = benchmark;
    op_case.flops = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
    table.push_back(op_case);
    return table.back();
  };
  for (const bool relu : {false, true}) {
    for (const bool bias : {true, false}) {
      add("0x3_to_2", {0, 3}, 2, bias, false, relu);
      add("3x0_to_2", {3, 0}, 2, bias, false, relu);
      add("3x2_to_0", {3, 2}, 0, bias, false, relu);
      add("1x1_to_1", {1, 1}, 1, bias, false, relu);
      add("31x33_to_65", {31, 33}, 65, bias, false, relu);
      add("3x1023_to_5", {3, 1023}, 5, bias, false, relu);
      add("1023x3_to_7", {1023, 3}, 7, bias, false, relu);
    }
    add("vector_5_to_3", {5}, 3, true, false, relu);
    add("1x65_to_33", {1, 65}, 33, true, false, relu);
    add("2x3x4x5_to_6", {2, 3, 4, 5}, 6, true, false, relu);
    add("1500x3_to_40", {1500, 3}, 40, true, false, relu);  // more rows than CUDA sums in one block
  }
  add("600x2_to_500", {600, 2}, 500);  // more than cuBLAS is asked to sum
  add("100x130_of_zeros_to_90", {100, 130}, 90).inputs[0].values = values_with_zeros(100 * 130, 0.3, 1);
  // LeNet's two layers, and one beyond the caches.
  use_small_values(add("64x800_to_500", {64, 800}, 500, true, true));
  OpCase& with_relu = add("64x800_to_500", {64, 800}, 500, true, true, true);
  use_small_values(with_relu);
  // Far from the kink, which steps of central differences through so many elements would cross.
  for (int o = 0; o < 500; ++o) with_relu.inputs[2].values.push_back(o % 2 == 0 ? 1 : -1);
  add("64x500_to_10", {64, 500}, 10, true, true);
  add("256x4096_to_4096", {256, 4096}, 4096, true, true).benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
