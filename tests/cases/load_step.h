#pragma once

#include <string>
#include <vector>

#include "gnn/kernels/load_step.h"
#include "gnn/kernels/run.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::int64_t address_of(const Tensor& tensor) {
  return reinterpret_cast<std::int64_t>(tensor.raw_data());
}

/// The header of a table [1 + rows * words] whose row goes to `target`, cut into slots of these sizes, the
/// last one first.
inline Tensor load_step_header(const Tensor& table, const Tensor& target,
                               const std::vector<std::int64_t>& sizes, Tensor& slots) {
  std::vector<std::int64_t> list;
  std::int64_t words = 0;
  for (const std::int64_t size : sizes) words += size;
  std::int64_t end = words;
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    end -= *size;
    list.insert(list.end(), {address_of(target) + end * 8, end, *size});
  }
  const auto count = static_cast<std::int64_t>(sizes.size());
  slots = from_values(list, {count, 3}, target.device());
  return from_values<std::int64_t>({address_of(table), words, count, address_of(slots)}, {4},
                                   target.device());
}

inline std::vector<OpCase> load_step() {
  std::vector<OpCase> table;
  // Row `row` of `rows`.
  const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t row,
                       const std::vector<std::int64_t>& sizes) {
    std::int64_t words = 0;
    for (const std::int64_t size : sizes) words += size;
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {constant({rows * words}, DType::int64, -1e9, 1e9)};
    op_case.op = [=](std::span<const Tensor> in) {
      const Device device = in[0].device();
      const Tensor full = zeros({1 + rows * words}, in[0].options());
      full.alias({1}).copy_from(from_values<std::int64_t>({row}, {1}, device));
      full.alias({rows * words}, 1).copy_from(in[0]);
      Tensor target = empty({words}, in[0].options());
      Tensor slots;
      const Tensor header = load_step_header(full, target, sizes, slots);
      kernels::run<kernels::LoadStep>(header);
      return target;
    };
    op_case.reference = [=](std::span<const Array> in) {
      Array out = array({words});
      for (std::int64_t i = 0; i < words; ++i) out[i] = in[0][row * words + i];
      return out;
    };
    op_case.tolerance = 0;
    op_case.tolerance64 = 0;
    op_case.gradient = false;
    table.push_back(op_case);
  };
  add("nothing", 3, 1, {});
  add("one_word", 1, 0, {1});
  add("optimizer_and_generator", 5, 4, {4, 2, 2});
  add("31_0_33", 3, 2, {31, 0, 33});
  add("1023", 2, 1, {1023});
  add("batch_64", 938, 937, {64, 2, 4});
  return table;
}

}  // namespace gnn::testing::cases
