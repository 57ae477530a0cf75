#pragma once

#include <string>
#include <vector>

#include "gnn/train/sgd.h"
#include "support/optimizer_case.h"

namespace gnn::testing::cases {

/// SGD as its papers write it, for one element.
inline double sgd_reference(double value, std::span<const double> grads, const SGDOptions& options) {
  double velocity = 0;
  for (std::size_t step = 0; step < grads.size(); ++step) {
    const double slope = grads[step] + options.weight_decay * value;
    velocity = step == 0 ? slope : options.momentum * velocity + (1 - options.dampening) * slope;
    double direction = slope;
    if (options.momentum != 0) direction = options.nesterov ? slope + options.momentum * velocity : velocity;
    value -= options.lr * direction;
  }
  return value;
}

inline std::vector<OptimizerCase> sgd() {
  struct Variant {
    std::string name;
    SGDOptions options;
    int passes;
  };
  const std::vector<Variant> variants = {
      {"plain", {.lr = 0.1}, 3},
      {"weight_decay", {.lr = 0.1, .weight_decay = 0.05}, 3},
      {"momentum", {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05}, 5},
      {"dampening", {.lr = 0.1, .momentum = 0.9, .dampening = 0.25}, 5},
      {"nesterov", {.lr = 0.1, .momentum = 0.8, .weight_decay = 0.05, .nesterov = true}, 5},
  };
  std::vector<OptimizerCase> table;
  for (const Variant& variant : variants) {
    const auto add = [&](const NamedShapes& shapes) {
      table.push_back({.name = variant.name + "_" + shapes.name,
                       .shapes = shapes.shapes,
                       .make =
                           [options = variant.options](std::vector<Tensor> parameters) {
                             return std::make_unique<SGD>(std::move(parameters), options);
                           },
                       .reference =
                           [options = variant.options](double value, std::span<const double> grads) {
                             return sgd_reference(value, grads, options);
                           },
                       .benchmark = shapes.benchmark,
                       .benchmark_only = shapes.benchmark_only,
                       .passes = variant.passes});
    };
    for (const NamedShapes& shapes : optimizer_shapes()) {
      if (!shapes.benchmark || variant.name == "momentum") add(shapes);
    }
  }
  return table;
}

}  // namespace gnn::testing::cases
