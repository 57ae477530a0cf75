#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gnn/kernels/batch_metrics.h"
#include "gnn/kernels/run.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> batch_metrics() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, std::int64_t samples, std::int64_t classes) -> OpCase& {
    const bool labelled = classes > 0;
    OpCase op_case;
    op_case.name = name;
    Input loss{.shape = {}, .low = 0, .high = 5};
    loss.differentiable = false;
    op_case.inputs = {loss, constant({5}, DType::float64, 0, 1000)};
    if (labelled) {
      Input logits{.shape = {samples, classes}, .low = -3, .high = 3};
      logits.differentiable = false;
      op_case.inputs.push_back(logits);
      op_case.inputs.push_back(constant({samples}, DType::int64, 0, static_cast<double>(classes - 1)));
    }
    op_case.op = [=](std::span<const Tensor> in) {
      Tensor totals = empty_like(in[1]);
      totals.copy_from(in[1]);
      kernels::run<kernels::BatchMetrics>(in[0], labelled ? in[2] : Tensor(), labelled ? in[3] : Tensor(),
                                          samples, totals);
      return totals;
    };
    op_case.reference = [=](std::span<const Array> in) {
      Array totals = in[1];
      totals[0] += 1;
      totals[1] += in[0][0] * static_cast<double>(samples);
      for (std::int64_t i = 0; labelled && i < samples; ++i) {
        const auto row = in[2].values.begin() + i * classes;
        totals[2] +=
            std::max_element(row, row + classes) - row == static_cast<std::int64_t>(in[3][i]) ? 1 : 0;
      }
      return totals;
    };
    op_case.tolerance = 1e-15;  // one rounding or two, in double
    op_case.tolerance64 = 1e-15;
    op_case.gradient = false;
    op_case.bytes = static_cast<double>(samples) * (8.0 + 4.0 * static_cast<double>(classes));
    table.push_back(op_case);
    return table.back();
  };
  add("no_samples", 0, 3);
  add("no_labels", 7, 0);
  add("one", 1, 1);
  add("31x3", 31, 3);
  add("33x65", 33, 65);
  add("batch_64x10", 64, 10).benchmark = true;
  add("1023x10", 1023, 10);
  add("5x4097", 5, 4097);  // where all of a GPU predicts
  return table;
}

}  // namespace gnn::testing::cases
