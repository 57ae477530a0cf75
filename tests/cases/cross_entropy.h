#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gnn/layers/cross_entropy.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// By definition (see kernels/cross_entropy.h), in long double. Inputs: logits, labels and, where weighted,
/// class weights.
inline Array cross_entropy_reference(std::span<const Array> in, std::int64_t ignore_index, double smoothing,
                                     Reduction reduction) {
  const Array& x = in[0];
  const std::int64_t samples = x.shape[0], classes = x.shape[1];
  const auto weight = [&](std::int64_t c) { return in.size() > 2 ? in[2][c] : 1.0; };
  Array losses = array({samples});
  long double total = 0, weights = 0;
  for (std::int64_t n = 0; n < samples; ++n) {
    const auto label = static_cast<std::int64_t>(in[1][n]);
    if (label == ignore_index) continue;
    long double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<long double>(x[n * classes + c]));
    long double loss = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const long double target =
          (c == label ? 1 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
      loss -= target * weight(c) * (x[n * classes + c] - std::log(sum));
    }
    losses[n] = static_cast<double>(loss);
    total += loss;
    weights += weight(label);
  }
  if (reduction == Reduction::none) return losses;
  Array result = array({});
  result[0] = static_cast<double>(reduction == Reduction::mean ? total / weights : total);
  return result;
}

inline std::vector<OpCase> cross_entropy() {
  struct Variant {
    std::string name = {};
    bool weighted = false;
    double smoothing = 0;
    bool ignore = false;  // one of the labels that occur, 2
    Reduction reduction = Reduction::mean;
  };
  std::vector<OpCase> table;
  const auto add = [&](const std::string& size, const Variant& variant, std::int64_t samples,
                       std::int64_t classes, double range = 3) -> OpCase& {
    OpCase op_case;
    op_case.name = size + (variant.name.empty() ? "" : "_" + variant.name);
    op_case.inputs = {{.shape = {samples, classes}, .low = -range, .high = range},
                      constant({samples}, DType::int64, 0, static_cast<double>(classes - 1))};
    if (variant.weighted) {
      op_case.inputs.push_back({.shape = {classes}, .low = 0.2, .high = 2, .differentiable = false});
    }
    const std::int64_t ignore_index = variant.ignore ? 2 : -100;
    op_case.op = [=](std::span<const Tensor> in) {
      return gnn::cross_entropy(in[0], in[1],
                                {.weight = variant.weighted ? in[2] : Tensor(),
                                 .ignore_index = ignore_index,
                                 .label_smoothing = variant.smoothing,
                                 .reduction = variant.reduction});
    };
    op_case.reference = [=](std::span<const Array> in) {
      return cross_entropy_reference(in, ignore_index, variant.smoothing, variant.reduction);
    };
    op_case.flops = 6 * static_cast<double>(samples * classes);
    table.push_back(op_case);
    return table.back();
  };
  const std::vector<Variant> variants = {
      {},
      {.name = "sum", .reduction = Reduction::sum},
      {.name = "none", .reduction = Reduction::none},
      {.name = "weighted", .weighted = true},
      {.name = "smoothed", .smoothing = 0.1},
      {.name = "ignoring", .ignore = true},
      {.name = "everything", .weighted = true, .smoothing = 0.3, .ignore = true},
      {.name = "everything_none",
       .weighted = true,
       .smoothing = 0.3,
       .ignore = true,
       .reduction = Reduction::none},
  };
  for (const Variant& variant : variants) {
    add("4x5", variant, 4, 5);
    add("33x31", variant, 33, 31);
    add("3x1025", variant, 3, 1025);
    // Where CUDA takes more than one block for a batch, and where it has a block for each sample.
    add("257x3", variant, 257, 3);
    add("9x1025", variant, 9, 1025);
  }
  add("1x1", {}, 1, 1);
  add("0x3_none", {.reduction = Reduction::none}, 0, 3);
  add("0x3_sum", {.reduction = Reduction::sum}, 0, 3);
  add("1023x10", {}, 1023, 10);
  add("large_logits", {.smoothing = 0.1}, 16, 10, 300);  // exp would overflow
  add("digits_64x10", {}, 64, 10).benchmark = true;
  OpCase& large = add("words_4096x16384", {}, 4096, 16384);
  large.benchmark = large.benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
