#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gnn/layers/gemm.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline Array matmul_reference(const Array& a, const Array& b, bool trans_a, bool trans_b) {
  const bool batched = a.shape.dim() == 3 || b.shape.dim() == 3;
  const std::int64_t batch = a.shape.dim() == 3 ? a.shape[0] : batched ? b.shape[0] : 1;
  const std::int64_t m = a.shape.size(trans_a ? -1 : -2);
  const std::int64_t k = a.shape.size(trans_a ? -2 : -1);
  const std::int64_t n = b.shape.size(trans_b ? -2 : -1);
  Array c = array(batched ? Shape{batch, m, n} : Shape{m, n});
  for (std::int64_t q = 0; q < batch; ++q) {
    const std::int64_t a0 = a.shape.dim() == 3 ? q * m * k : 0;
    const std::int64_t b0 = b.shape.dim() == 3 ? q * k * n : 0;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t p = 0; p < k; ++p) {
        const double left = a[a0 + (trans_a ? p * m + i : i * k + p)];
        for (std::int64_t j = 0; j < n; ++j) {
          c[(q * m + i) * n + j] += left * b[b0 + (trans_b ? j * k + p : p * n + j)];
        }
      }
    }
  }
  return c;
}

/// Tolerances for sums of `terms` products of values in [-1, 1]. Partial sums after t terms are about sqrt(t)
/// / 3 and each addition rounds one of them by up to u = 2^-24 (float32) or 2^-53 of its size: with random
/// signs that adds up to 0.14 u terms; allowed is 8 times that, for the largest of millions of elements.
/// TensorFloat-32 or a lost term is far outside. The float64 reference rounds as much as the op.
inline void set_matmul_tolerance(OpCase& op_case, std::int64_t terms) {
  op_case.tolerance = std::ldexp(1.2 * static_cast<double>(terms) + 4, -24);
  op_case.tolerance64 = std::ldexp(1.2 * static_cast<double>(terms) + 4, -53);
}

/// For large cases: values whose sums stay near 1, so that central differences of them keep their digits.
inline void use_small_values(OpCase& op_case) {
  for (Input& input : op_case.inputs) {
    input.low = -0.125;
    input.high = 0.125;
  }
}

/// What ReLU makes of values in [-1, 1], shifted: that share of them is not zero.
inline std::vector<double> values_with_zeros(std::int64_t count, double share, std::uint64_t seed) {
  std::vector<double> values = random_values(count, 0, 1, seed);
  for (double& value : values) value = std::max(0.0, value - (1 - share));
  return values;
}

inline std::vector<OpCase> gemm() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& a, const Shape& b, MatmulOptions options = {},
                       bool benchmark = false) -> OpCase& {
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{a}, {b}};
    op_case.op = [options](std::span<const Tensor> in) { return matmul(in[0], in[1], options); };
    op_case.reference = [options](std::span<const Array> in) {
      return matmul_reference(in[0], in[1], options.trans_a, options.trans_b);
    };
    const std::int64_t m = a.size(options.trans_a ? -1 : -2);
    const std::int64_t k = a.size(options.trans_a ? -2 : -1);
    const std::int64_t n = b.size(options.trans_b ? -2 : -1);
    set_matmul_tolerance(op_case, std::max({m, k, n}) * (a.dim() != b.dim() ? 3 : 1));  // of gradients, too
    op_case.benchmark = benchmark;
    op_case.flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
                    static_cast<double>(a.dim() == 3   ? a[0]
                                        : b.dim() == 3 ? b[0]
                                                       : 1);
    table.push_back(op_case);
    return table.back();
  };
  struct Sizes {
    std::int64_t m, n, k;
  };
  const std::vector<Sizes> sizes = {{0, 3, 2},  {3, 0, 2},   {3, 2, 0},    {1, 1, 1},      {7, 5, 3},
                                    {6, 64, 8}, {31, 33, 1}, {33, 65, 31}, {13, 130, 257}, {70, 17, 300}};
  for (const Sizes& s : sizes) {
    for (const bool trans_a : {false, true}) {
      for (const bool trans_b : {false, true}) {
        const std::string name = std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) +
                                 "_" + (trans_a ? "t" : "n") + (trans_b ? "t" : "n");
        const Shape a = trans_a ? Shape{s.k, s.m} : Shape{s.m, s.k};
        const Shape b = trans_b ? Shape{s.n, s.k} : Shape{s.k, s.n};
        add(name, a, b, {trans_a, trans_b});
      }
    }
  }
  add("1023x1x9", {1023, 9}, {9, 1});
  add("1x1023x9", {1, 9}, {9, 1023});
  add("9x9x1023", {9, 1023}, {1023, 9});
  add("9x1100x150_nt", {9, 150}, {1100, 150}, {.trans_b = true});  // turned over, in several blocks of rows
  for (const std::int64_t rows : {2, 3, 6, 8}) {  // few rows or columns: each number of them in a tile
    for (const std::int64_t k : {7, 16, 45}) {
      add(std::to_string(rows) + "x" + std::to_string(27 + rows) + "x" + std::to_string(k) + "_nt", {rows, k},
          {27 + rows, k}, {.trans_b = true});
    }
  }
  for (const std::int64_t columns : {1, 3, 4, 5, 10, 12}) {
    const std::string size = std::to_string(29 + columns) + "x" + std::to_string(columns);
    add(size + "x200_nt", {29 + columns, 200}, {columns, 200}, {.trans_b = true});
  }
  add("batch_3_4x6x5", {3, 4, 5}, {3, 5, 6});
  add("batch_3_4x6x5_tt", {3, 5, 4}, {3, 6, 5}, {true, true});
  add("batch_0", {0, 4, 5}, {0, 5, 6});
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      const std::string flags = std::string(trans_a ? "t" : "n") + (trans_b ? "t" : "n");
      const Shape a = trans_a ? Shape{5, 4} : Shape{4, 5};
      const Shape b = trans_b ? Shape{6, 5} : Shape{5, 6};
      add("shared_a_" + flags, a, {2, b[0], b[1]}, {trans_a, trans_b});
      add("shared_b_" + flags, {2, a[0], a[1]}, b, {trans_a, trans_b});
    }
  }
  // Zeros of the left matrix are left out: in several blocks of rows and of depth, in panels that are not
  // full.
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      OpCase& zeros = add(std::string("zeros_150x210x290_") + (trans_a ? "t" : "n") + (trans_b ? "t" : "n"),
                          trans_a ? Shape{290, 150} : Shape{150, 290},
                          trans_b ? Shape{210, 290} : Shape{290, 210}, {trans_a, trans_b});
      zeros.inputs[0].values = values_with_zeros(150 * 290, 0.3, 1);
    }
  }
  add("zeros_batch_3_40x130x20", {3, 40, 20}, {3, 20, 130}).inputs[0].values =
      values_with_zeros(3 * 40 * 20, 0.3, 2);
  // Products of a training step of LeNet (the second is the weight's gradient behind ReLU: not timed, since
  // what it computes is not what its shape says), and one beyond the caches.
  add("64x500x800", {64, 800}, {500, 800}, {.trans_b = true}, true);
  OpCase& behind_relu = add("500x800x64_half_zeros", {64, 500}, {64, 800}, {.trans_a = true});
  use_small_values(behind_relu);
  behind_relu.inputs[0].values = values_with_zeros(64 * 500, 0.5, 3);
  for (double& value : behind_relu.inputs[0].values) value *= 0.25;
  add("1024x1024x1024", {1024, 1024}, {1024, 1024}, {}, true).benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
