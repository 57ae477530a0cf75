#pragma once

// Which of several ways to compute something is the fastest here. Not installed.

#include <functional>
#include <string>
#include <vector>

#include "gnn/core/device.h"

namespace gnn::kernels {

/// A way to compute something; it can run any number of times.
struct Candidate {
  std::string name;
  std::function<void()> run;
};

struct Timing {
  double milliseconds = 0;
  std::string error;  ///< what it threw; empty: nothing
};

/// Runs each candidate once to warm up and five times more on the current stream of `device`: the median
/// time. Waits for the device. A candidate that throws gnn::Error has no time.
std::vector<Timing> time_candidates(const std::vector<Candidate>& candidates, Device device);

/// The fastest, of equals the first. Throws CudaError, with the first one's error, when all have one.
std::size_t fastest(const std::vector<Timing>& timings);

}  // namespace gnn::kernels
