#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "support/op_case.h"
#include "support/optimizer_case.h"

namespace gnn::bench {

/// What an op's backward pass costs beside its inputs, output and gradients.
struct BackwardCost {
  double flops = 2;        ///< over those of forward; 2 is exact for products with gradients of both factors
  double saved_bytes = 0;  ///< per element of the output: what forward writes for it alone, and it reads
};

/// Called before and after each benchmark of a table that is measured with another setting of the library.
struct Setting {
  std::function<void()> set;
  std::function<void()> reset;
};

/// Names STEM.h's table to be measured: its cases with benchmark = true, forward and, where they have a
/// gradient, forward and backward. A static of this type in bench_STEM.cpp is all an op needs. A benchmark is
/// called STEM/CASE/DTYPE/DEVICE/forward|forward+backward/warm|cold; with warm caches calls follow one
/// another, before a cold call a buffer larger than the last-level cache is walked (see flush.h).
///
/// With a setting of its own it is measured on CUDA alone.
struct Register {
  Register(const char* stem, std::vector<testing::OpCase> table, const BackwardCost& backward = {},
           Setting setting = {});
};

/// The same for optimisers: STEM/CASE/float32/DEVICE/step/warm|cold.
struct RegisterOptimizer {
  RegisterOptimizer(const char* stem, std::vector<testing::OptimizerCase> table);
};

/// What another library takes for the forward pass of a case on the CPU; measured beside it as
/// …/forward/warm/LIBRARY. Its results are checked, too.
struct Baseline {
  std::string name;  ///< STEM/CASE
  std::string library;
  DType dtype;
  std::function<Tensor(std::span<const Tensor>)> op;
};
struct RegisterBaselines {
  explicit RegisterBaselines(std::vector<Baseline> baselines);
};

/// Hands everything registered to Google Benchmark, the measurements of the roofline first.
void register_benchmarks();

}  // namespace gnn::bench
