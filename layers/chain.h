#pragma once

#include <array>
#include <concepts>
#include <span>

#include "gnn/layers/module.h"

namespace gnn {

/// Runs modules one after the other: chain(x, a, b, c) is c(b(a(x))). Neighbours that one op can do together
/// are done by it, with the same result (on the CPU to the last bit):
///
///   Conv2d, [ReLU,] MaxPool2d(2)  ->  conv2d_pool()
///   Linear, ReLU                  ->  linear_relu()
///
/// unless a ForwardObserver wants to see each layer. Errors name the layer they come from. Sequential uses
/// it.
GNN_API Tensor chain(const Tensor& x, std::span<Module* const> modules);

template <std::derived_from<Module>... Modules>
Tensor chain(const Tensor& x, Modules&... modules) {
  const std::array<Module*, sizeof...(Modules)> list{&modules...};
  return chain(x, std::span<Module* const>(list));
}

}  // namespace gnn
