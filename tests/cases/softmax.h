#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gnn/layers/softmax.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// By definition, in long double: exp(x) / sum of exp(x) cannot overflow there for the inputs used here.
inline Array softmax_reference(const Array& x, std::size_t axis, bool log) {
  std::int64_t inner = 1;
  for (std::size_t i = axis + 1; i < x.shape.dim(); ++i) inner *= x.shape[i];
  const std::int64_t count = x.shape[axis];
  Array y = x;
  for (std::int64_t at = 0; at < x.shape.numel(); ++at) {
    const std::int64_t first = at - at / inner % count * inner;
    if (at != first) continue;
    long double sum = 0;
    for (std::int64_t r = 0; r < count; ++r) sum += std::exp(static_cast<long double>(x[first + r * inner]));
    for (std::int64_t r = 0; r < count; ++r) {
      const long double value = x[first + r * inner];
      y[first + r * inner] = static_cast<double>(log ? value - std::log(sum) : std::exp(value) / sum);
    }
  }
  return y;
}

inline std::vector<OpCase> softmax() {
  std::vector<OpCase> table;
  for (const bool log : {false, true}) {
    const auto add = [&](const std::string& name, const Shape& shape, std::int64_t axis, double range,
                         bool benchmark = false) {
      OpCase op_case;
      op_case.name = (log ? "log_softmax_" : "softmax_") + name;
      op_case.inputs = {{.shape = shape, .low = -range, .high = range}};
      op_case.op = [=](std::span<const Tensor> in) {
        return log ? log_softmax(in[0], axis) : softmax(in[0], axis);
      };
      op_case.reference = [=](std::span<const Array> in) {
        return softmax_reference(in[0], in[0].shape.normalize_axis(axis), log);
      };
      op_case.benchmark = benchmark;
      op_case.flops = 5 * static_cast<double>(shape.numel());
      table.push_back(op_case);
    };
    add("0x3", {0, 3}, 1, 1);
    add("3x0", {3, 0}, 1, 1);
    add("1", {1}, 0, 3);
    add("31", {31}, 0, 3);
    add("5x33", {5, 33}, -1, 3);
    add("2x1023", {2, 1023}, 1, 3);
    add("2x1025", {2, 1025}, 1, 3);  // where a row gets a block instead of a warp
    add("columns_7x3", {7, 3}, 0, 3);
    add("columns_33x300", {33, 300}, 0, 3);
    add("middle_3x10x5", {3, 10, 5}, 1, 3);
    add("large_values", {4, 20}, 1, 300);  // exp would overflow
    add("digits_64x10", {64, 10}, 1, 5, true);
    add("words_1024x16384", {1024, 16384}, 1, 5, true);
    table.back().benchmark_only = true;
    add("pixels_8x21x256x256", {8, 21, 256, 256}, 1, 5, true);
    table.back().benchmark_only = true;
  }
  return table;
}

}  // namespace gnn::testing::cases
