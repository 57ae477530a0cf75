#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gnn/train/adam.h"
#include "support/optimizer_case.h"

namespace gnn::testing::cases {

/// Algorithm 1 of Kingma and Ba, and algorithm 2 of Loshchilov and Hutter for `decoupled`, for one element.
inline double adam_reference(double value, std::span<const double> grads, const AdamOptions& options,
                             bool decoupled) {
  double mean = 0;
  double square = 0;
  for (std::size_t step = 0; step < grads.size(); ++step) {
    const double t = static_cast<double>(step) + 1;
    const double slope = grads[step] + (decoupled ? 0 : options.weight_decay * value);
    mean = options.beta1 * mean + (1 - options.beta1) * slope;
    square = options.beta2 * square + (1 - options.beta2) * slope * slope;
    const double corrected_mean = mean / (1 - std::pow(options.beta1, t));
    const double corrected_square = square / (1 - std::pow(options.beta2, t));
    const double decay = decoupled ? options.lr * options.weight_decay * value : 0;
    value -= options.lr * corrected_mean / (std::sqrt(corrected_square) + options.eps) + decay;
  }
  return value;
}

inline std::vector<OptimizerCase> adam() {
  struct Variant {
    std::string name;
    AdamOptions options;
    bool decoupled;
  };
  const std::vector<Variant> variants = {
      {"adam", {}, false},
      {"adam_options", {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}, false},
      {"adamw", {.weight_decay = 0.01}, true},
      {"adamw_options", {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}, true},
  };
  std::vector<OptimizerCase> table;
  for (const Variant& variant : variants) {
    const auto add = [&](const NamedShapes& shapes) {
      OptimizerCase optimizer_case{.name = variant.name + "_" + shapes.name,
                                   .shapes = shapes.shapes,
                                   .make = {},
                                   .reference =
                                       [variant](double value, std::span<const double> grads) {
                                         return adam_reference(value, grads, variant.options,
                                                               variant.decoupled);
                                       },
                                   .benchmark = shapes.benchmark,
                                   .benchmark_only = shapes.benchmark_only,
                                   .passes = 7};
      const AdamOptions& o = variant.options;
      if (variant.decoupled) {
        const AdamWOptions options{o.lr, o.beta1, o.beta2, o.eps, o.weight_decay};
        optimizer_case.make = [options](std::vector<Tensor> parameters) {
          return std::make_unique<AdamW>(std::move(parameters), options);
        };
      } else {
        optimizer_case.make = [o](std::vector<Tensor> parameters) {
          return std::make_unique<Adam>(std::move(parameters), o);
        };
      }
      table.push_back(optimizer_case);
    };
    for (const NamedShapes& shapes : optimizer_shapes()) {
      if (!shapes.benchmark || variant.name == "adam") add(shapes);
    }
  }
  return table;
}

}  // namespace gnn::testing::cases
