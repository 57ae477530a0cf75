#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gnn/kernels/batch_metrics.h"
#include "gnn/kernels/run.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> batch_metrics() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, std::int64_t samples, bool labelled) -> OpCase& {
    OpCase op_case;
    op_case.name = name;
    Input loss{.shape = {}, .low = 0, .high = 5};
    loss.differentiable = false;
    op_case.inputs = {loss, constant({5}, DType::float64, 0, 1000)};
    if (labelled) {
      op_case.inputs.push_back(constant({samples}, DType::int64, 0, 2));
      op_case.inputs.push_back(constant({samples}, DType::int64, 0, 2));
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
      for (std::int64_t i = 0; labelled && i < samples; ++i) totals[2] += in[2][i] == in[3][i] ? 1 : 0;
      return totals;
    };
    op_case.tolerance = 1e-15;  // one rounding or two, in double
    op_case.tolerance64 = 1e-15;
    op_case.gradient = false;
    op_case.bytes = 16.0 * static_cast<double>(samples);
    table.push_back(op_case);
    return table.back();
  };
  add("no_samples", 0, true);
  add("no_labels", 7, false);
  add("one", 1, true);
  add("31", 31, true);
  add("batch_64", 64, true).benchmark = true;
  add("1023", 1023, true);
  return table;
}

}  // namespace gnn::testing::cases
