#pragma once

#include <vector>

#include "support/op_case.h"

namespace gnn::bench {

/// Registers the forward and backward benchmarks of the table's cases that ask for it. A static of this type
/// in bench_STEM.cpp is all an op needs.
struct Register {
  Register(const char* stem, const std::vector<testing::OpCase>& table);
};

}  // namespace gnn::bench
