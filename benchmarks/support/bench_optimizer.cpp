#include "support/bench_optimizer.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "gnn/core/check.h"
#include "gnn/core/stream.h"

namespace gnn::bench {
namespace {

using testing::OptimizerCase;

/// A benchmark of a wrong result is worthless: the first element of each parameter is compared with the
/// reference.
bool is_right(const OptimizerCase& optimizer_case, const std::vector<Tensor>& parameters) {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const std::vector<double> grads{testing::gradient_values(optimizer_case, p, 0).front()};
    const double want = optimizer_case.reference(testing::parameter_values(optimizer_case, p).front(), grads);
    if (!(std::abs(parameters[p].to_doubles().front() - want) <= 1e-6 * (1 + std::abs(want)))) return false;
  }
  return true;
}

void run_steps(::benchmark::State& state, const OptimizerCase& optimizer_case, Device device) {
  std::vector<Tensor> parameters = testing::make_parameters(optimizer_case, DType::float32, device);
  const std::unique_ptr<Optimizer> optimizer = optimizer_case.make(parameters);
  testing::set_gradients(optimizer_case, parameters, 0);
  optimizer->step();  // creates the state
  if (!is_right(optimizer_case, parameters)) {
    state.SkipWithError("the result does not match the reference");
    return;
  }
  for (auto _ : state) {
    optimizer->step();
    synchronize(device);
  }
  double bytes = 0;
  for (const Tensor& parameter : parameters) bytes += static_cast<double>(parameter.nbytes());
  using ::benchmark::Counter;
  state.counters["bytes/s"] = Counter(static_cast<double>(state.iterations()) * bytes * optimizer_case.passes,
                                      Counter::kIsRate, Counter::kIs1000);
}

}  // namespace

RegisterOptimizer::RegisterOptimizer(const char* stem, const std::vector<OptimizerCase>& table) {
  for (const OptimizerCase& optimizer_case : table) {
    if (!optimizer_case.benchmark) continue;
    for (const Device device : testing::test_devices()) {
      const std::string name = fmt::format("{}/{}/{}/step", stem, optimizer_case.name, device);
      ::benchmark::RegisterBenchmark(name.c_str(), [optimizer_case, device](::benchmark::State& state) {
        run_steps(state, optimizer_case, device);
      })->UseRealTime();
    }
  }
}

}  // namespace gnn::bench
