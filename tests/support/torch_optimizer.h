#pragma once

// The optimization that tests/torch_optimizers.py runs in PyTorch, for the comparison with its results.

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "gnn/train/optimizer.h"
#include "support/op_check.h"

namespace gnn::testing {

inline std::vector<double> torch_start(int tensor, int size) {
  std::vector<double> values;
  for (int i = 0; i < size; ++i) values.push_back(((7 * i + 3 * tensor) % 16 - 8) / 8.0);
  return values;
}

/// Undefined in every third step for the second parameter.
inline Tensor torch_gradient(int tensor, int step, int size, Device device) {
  if (tensor == 1 && step % 3 == 2) return {};
  std::vector<double> values;
  for (int i = 0; i < size; ++i) values.push_back(((5 * i + 11 * step + 13 * tensor) % 32 - 16) / 16.0);
  return from_values(values, {size}, device);
}

/// Runs steps [begin, end) of the optimization on its two parameters.
inline void torch_steps(Optimizer& optimizer, std::vector<Tensor>& parameters, int begin, int end) {
  for (int step = begin; step < end; ++step) {
    for (std::size_t t = 0; t < parameters.size(); ++t) {
      parameters[t].set_grad(torch_gradient(static_cast<int>(t), step,
                                            static_cast<int>(parameters[t].numel()), parameters[t].device()));
    }
    optimizer.step();
  }
}

inline std::vector<Tensor> torch_parameters(Device device) {
  std::vector<Tensor> parameters{from_values(torch_start(0, 4), {4}, device),
                                 from_values(torch_start(1, 3), {3}, device)};
  for (Tensor& parameter : parameters) parameter.set_requires_grad();
  return parameters;
}

/// Ten steps in float64; both sides round each of them some ten times.
inline void check_against_torch(const std::vector<double>& want,
                                const std::function<std::unique_ptr<Optimizer>(std::vector<Tensor>)>& make) {
  for (const Device device : test_devices()) {
    std::vector<Tensor> parameters = torch_parameters(device);
    const std::unique_ptr<Optimizer> optimizer = make(parameters);
    torch_steps(*optimizer, parameters, 0, 10);
    std::vector<double> got = parameters[0].to_doubles();
    for (const double value : parameters[1].to_doubles()) got.push_back(value);
    expect_close({{7}, got}, {{7}, want}, 2e-14, device.to_string());
  }
}

}  // namespace gnn::testing
