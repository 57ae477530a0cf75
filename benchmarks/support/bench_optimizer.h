#pragma once

#include <vector>

#include "support/optimizer_case.h"

namespace gnn::bench {

/// Registers a benchmark of one step for the cases that ask for it, and for one tensor of 16 million
/// elements, beyond any cache, with the optimizer of each.
struct RegisterOptimizer {
  RegisterOptimizer(const char* stem, const std::vector<testing::OptimizerCase>& table);
};

}  // namespace gnn::bench
