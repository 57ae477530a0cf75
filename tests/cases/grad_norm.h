#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "gnn/train/grad_norm.h"
#include "support/op_case.h"
#include "support/optimizer_case.h"

namespace gnn::testing::cases {

/// The norm of gradients of the optimizers' shapes, which are the inputs.
inline std::vector<OpCase> grad_norm() {
  std::vector<OpCase> table;
  const auto add = [&](const NamedShapes& shapes) {
    OpCase op_case;
    op_case.name = shapes.name;
    for (const Shape& shape : shapes.shapes) op_case.inputs.push_back({shape});
    op_case.op = [](std::span<const Tensor> in) {
      std::vector<Tensor> parameters;
      for (const Tensor& grad : in) {
        parameters.push_back(grad.detach());  // only the shape of a parameter matters
        parameters.back().set_grad(grad);
      }
      return gnn::grad_norm(parameters);
    };
    op_case.reference = [](std::span<const Array> in) {
      long double sum = 0;
      for (const Array& grad : in) {
        for (const double value : grad.values)
          sum += static_cast<long double>(value) * static_cast<long double>(value);
      }
      return Array{{}, {static_cast<double>(std::sqrt(sum))}};
    };
    // In both precisions: squares are exact or rounded once in double, and at most 2048 of them are added in
    // a row.
    op_case.tolerance = op_case.tolerance64 = 1e-13;
    op_case.gradient = false;
    op_case.benchmark = shapes.benchmark;
    op_case.benchmark_only = shapes.benchmark_only;
    table.push_back(op_case);
  };
  for (const NamedShapes& shapes : optimizer_shapes()) add(shapes);
  return table;
}

}  // namespace gnn::testing::cases
