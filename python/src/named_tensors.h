#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bindings.h"

namespace gnn::python {

/// Tensors with their names, as Python has them: [(name, tensor), ...].
using NamedPairs = std::vector<std::pair<std::string, Tensor>>;

inline std::vector<NamedTensor> named_tensors(const NamedPairs& pairs) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : pairs) tensors.push_back({name, tensor});
  return tensors;
}

inline NamedPairs named_pairs(const std::vector<NamedTensor>& tensors) {
  NamedPairs pairs;
  for (const NamedTensor& entry : tensors) pairs.emplace_back(entry.name, entry.tensor);
  return pairs;
}

}  // namespace gnn::python
