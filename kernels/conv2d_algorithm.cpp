#include "gnn/kernels/conv2d_algorithm.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>

#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/core/precision.h"
#include "gnn/kernels/autotune.h"
#include "gnn/kernels/conv2d_choice.h"
#include "gnn/kernels/cudnn.h"

namespace gnn::kernels {
namespace {

constexpr std::string_view names[] = {"gemm", "cudnn", "auto"};  // as Conv2dChoice has them
std::atomic<Conv2dChoice> choice{Conv2dChoice::gemm};

/// What was measured: by one thread at a time, which holds the lock, as two would disturb each other.
struct Tunings {
  std::mutex mutex;
  std::map<Conv2dProblem::Key, std::optional<CudnnAlgorithm>> chosen;  // empty: gemm
  std::vector<Conv2dTuning> list;
};

Tunings& tunings() {
  static auto& instance = *new Tunings;  // outlives static modules
  return instance;
}

using RunCudnn = std::function<void(const CudnnAlgorithm&)>;

/// Measures, and returns the fastest.
std::optional<CudnnAlgorithm> tune(const Conv2dProblem& problem, const std::function<void()>& gemm,
                                   const RunCudnn& cudnn, Conv2dTuning& report) {
  std::vector<CudnnAlgorithm> algorithms;
  std::string refusal;
  try {
    algorithms = CudnnConvolution::of(problem).algorithms();
  } catch (const Error& error) {
    refusal = error.what();
  }
  std::vector<Candidate> candidates{{"gemm", gemm}};
  for (const CudnnAlgorithm& algorithm : algorithms) {
    candidates.push_back({algorithm.name, [&] { cudnn(algorithm); }});
  }
  const std::vector<Timing> timings = time_candidates(candidates, problem.device);
  const std::size_t best = fastest(timings);
  report.problem = fmt::format("{} of {}", KernelScope::current(), problem.to_string());
  report.chosen = candidates[best].name;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    report.candidates.push_back({candidates[i].name, timings[i].milliseconds, timings[i].error});
  }
  if (!refusal.empty()) report.candidates.push_back({"cudnn", 0, refusal});
  if (best == 0) return std::nullopt;
  return algorithms[best - 1];
}

/// The remembered algorithm, measured now if need be.
std::optional<CudnnAlgorithm> fastest_algorithm(const Conv2dProblem& problem,
                                                const std::function<void()>& gemm, const RunCudnn& cudnn) {
  if (!cudnn::is_available()) return std::nullopt;
  const Conv2dProblem::Key key = problem.key();
  const std::lock_guard lock(tunings().mutex);
  const auto known = tunings().chosen.find(key);
  if (known != tunings().chosen.end()) return known->second;
  if (Capture::current() != nullptr) return std::nullopt;  // nothing runs, so nothing can be measured
  Conv2dTuning report;
  const auto algorithm = tune(problem, gemm, cudnn, report);
  tunings().chosen.emplace(key, algorithm);
  tunings().list.push_back(std::move(report));
  return algorithm;
}

}  // namespace

Conv2dProblem::Key Conv2dProblem::key() const {
  const Conv2dSizes& z = sizes;
  return {static_cast<std::int64_t>(direction),
          static_cast<std::int64_t>(dtype),
          device.index,
          allows_tf32(),
          z.n,
          z.c,
          z.h,
          z.w,
          z.o,
          z.groups,
          z.kernel.h,
          z.kernel.w,
          z.stride.h,
          z.stride.w,
          z.padding.h,
          z.padding.w,
          z.dilation.h,
          z.dilation.w};
}

std::string Conv2dProblem::to_string() const {
  const Conv2dSizes& z = sizes;
  return fmt::format("input {}, weight {}, stride {}, padding {}, dilation {}, groups {}, {} on {}",
                     Shape{z.n, z.c, z.h, z.w}, Shape{z.o, z.cg, z.kernel.h, z.kernel.w},
                     z.stride.to_string(), z.padding.to_string(), z.dilation.to_string(), z.groups, dtype,
                     device);
}

bool Conv2dProblem::allows_tf32() const {
  return dtype == DType::float32 && get_float32_matmul_precision() == "high";
}

Conv2dChoice conv2d_choice() {
  return choice.load(std::memory_order_relaxed);
}

void run_fastest_conv2d(const Conv2dProblem& problem, const std::function<void()>& gemm,
                        const RunCudnn& cudnn) {
  // Measured or not, it runs once more: those that were measured left their results in its place.
  if (const auto algorithm = fastest_algorithm(problem, gemm, cudnn)) {
    cudnn(*algorithm);
  } else {
    gemm();
  }
}

}  // namespace gnn::kernels

namespace gnn {

void set_conv2d_algorithm(std::string_view algorithm) {
  const auto found = std::ranges::find(kernels::names, algorithm);
  check<ValueError>(found != std::end(kernels::names),
                    "set_conv2d_algorithm: expected gemm, cudnn or auto, got {}", algorithm);
  const auto wanted = static_cast<kernels::Conv2dChoice>(found - std::begin(kernels::names));
  if (wanted == kernels::Conv2dChoice::cudnn) {
    check<DeviceError>(cudnn::is_available(),
                       "set_conv2d_algorithm: cudnn cannot be used: {} (auto uses it where it is)",
                       cudnn::unavailable_reason());
  }
  kernels::choice.store(wanted, std::memory_order_relaxed);
}

std::string_view get_conv2d_algorithm() {
  return kernels::names[static_cast<std::size_t>(kernels::conv2d_choice())];
}

std::vector<Conv2dTuning> conv2d_tunings() {
  const std::lock_guard lock(kernels::tunings().mutex);
  return kernels::tunings().list;
}

void forget_conv2d_tunings() {
  const std::lock_guard lock(kernels::tunings().mutex);
  kernels::tunings().chosen.clear();
  kernels::tunings().list.clear();
}

}  // namespace gnn
