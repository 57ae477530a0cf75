#pragma once

#include <gtest/gtest.h>

#include "support/op_check.h"
#include "support/optimizer_case.h"

namespace gnn::testing {

/// Several steps, with parameters that have no gradient in one of them, in float32 and float64 on every test
/// device, against the reference applied to each element.
inline void check_optimizer(const OptimizerCase& optimizer_case) {
  // A step rounds an element of size about 1, and quotients that keep it there, some eight times.
  const double tolerance = optimizer_steps * 8 * 0x1p-24;
  const double tolerance64 = optimizer_steps * 8 * 0x1p-53;
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      std::vector<Tensor> parameters = make_parameters(optimizer_case, dtype, device);
      const std::unique_ptr<Optimizer> optimizer = optimizer_case.make(parameters);
      for (int step = 0; step < optimizer_steps; ++step) {
        set_gradients(optimizer_case, parameters, step);
        optimizer->step();
      }
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        Array want{optimizer_case.shapes[p], parameter_values(optimizer_case, p)};
        std::vector<std::vector<double>> grads;
        for (int step = 0; step < optimizer_steps; ++step) {
          if (has_gradient(optimizer_case, p, step))
            grads.push_back(gradient_values(optimizer_case, p, step));
        }
        for (std::size_t i = 0; i < want.values.size(); ++i) {
          std::vector<double> element;
          for (const std::vector<double>& grad : grads) element.push_back(grad[i]);
          want.values[i] = optimizer_case.reference(want.values[i], element);
        }
        expect_close(to_array(parameters[p]), want, dtype == DType::float32 ? tolerance : tolerance64,
                     optimizer_case.name + " " + device.to_string() + " parameter " + std::to_string(p));
      }
    }
  }
}

class OptimizerTest : public ::testing::TestWithParam<OptimizerCase> {};

inline std::vector<OptimizerCase> tested(std::vector<OptimizerCase> table) {
  std::erase_if(table, [](const OptimizerCase& optimizer_case) { return optimizer_case.benchmark_only; });
  return table;
}

inline std::string optimizer_case_name(const ::testing::TestParamInfo<OptimizerCase>& info) {
  return info.param.name;
}

}  // namespace gnn::testing

/// The tests that a table of optimizer cases drives.
#define GNN_TEST_OPTIMIZER(Name, table)                                                     \
  class Name : public ::gnn::testing::OptimizerTest {};                                     \
  TEST_P(Name, MatchesReference) {                                                          \
    ::gnn::testing::check_optimizer(GetParam());                                            \
  }                                                                                         \
  INSTANTIATE_TEST_SUITE_P(Cases, Name, ::testing::ValuesIn(::gnn::testing::tested(table)), \
                           ::gnn::testing::optimizer_case_name)
