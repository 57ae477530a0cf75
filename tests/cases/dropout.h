#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gnn/core/philox.h"
#include "gnn/layers/dropout.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> dropout() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& shape, double p, bool benchmark = false) {
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{shape, -3, 3, Fill::uniform}};
    op_case.op = [p](std::span<const Tensor> in) {
      Generator generator(77);
      generator.reserve(12);
      return gnn::dropout(in[0], p, true, &generator);
    };
    op_case.reference = [p](std::span<const Array> in) {
      Array y = in[0];
      PhiloxBlock block{};
      for (std::int64_t i = 0; i < y.shape.numel(); ++i) {
        if (i % 4 == 0) block = philox_block(77, static_cast<std::uint64_t>(3 + i / 4));
        const double word = block.word[i % 4];
        y[i] = std::floor(word / 2) < p * 2147483648.0 ? 0 : y[i] / (1 - p);
      }
      return y;
    };
    // Two roundings: of the factor and of the product.
    op_case.tolerance = 1.5e-7;
    op_case.tolerance64 = 3e-16;
    op_case.benchmark = benchmark;
    op_case.flops = static_cast<double>(shape.numel());
    table.push_back(op_case);
  };
  add("0", {0}, 0.5);
  add("1", {1}, 0.5);
  add("3", {3}, 0.25);
  add("31", {31}, 0.5);
  add("33x3", {33, 3}, 0.1);
  add("1023", {1023}, 0.9);
  add("p0", {65}, 0);
  add("p1", {65}, 1);
  add("p_tiny", {65}, 1e-12);
  add("64x500", {64, 500}, 0.5, true);  // LeNet's hidden layer
  add("16M", {1 << 24}, 0.5, true);     // beyond the last-level cache
  table.back().benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
