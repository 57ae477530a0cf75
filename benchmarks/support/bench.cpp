#include "support/bench.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <exception>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/cudnn.h"
#include "support/measure.h"
#include "support/prepared.h"
#include "support/roofline.h"

namespace gnn::bench {
namespace {

using testing::OpCase;
using testing::OptimizerCase;

struct OpTable {
  const char* stem;
  std::vector<OpCase> cases;
  BackwardCost backward;
  Setting setting;
};
struct OptimizerTable {
  const char* stem;
  std::vector<OptimizerCase> cases;
};

/// A table's setting, until the end of the scope.
class SettingGuard {
 public:
  explicit SettingGuard(const Setting& setting) : setting_(setting) {
    if (setting_.set) setting_.set();
  }
  ~SettingGuard() {
    if (setting_.reset) setting_.reset();
  }
  SettingGuard(const SettingGuard&) = delete;
  SettingGuard& operator=(const SettingGuard&) = delete;

 private:
  const Setting& setting_;
};

// Filled while statics are initialised, in any order; nothing in them moves, as benchmarks refer to it.
std::deque<OpTable>& op_tables() {
  static std::deque<OpTable> tables;
  return tables;
}
std::deque<OptimizerTable>& optimizer_tables() {
  static std::deque<OptimizerTable> tables;
  return tables;
}
std::deque<Baseline>& baselines() {
  static std::deque<Baseline> list;
  return list;
}

/// Of forward: inputs read and the output written, or what the table says. Backward reads the cotangent and
/// the inputs and writes the gradients.
Cost cost_of(const OpCase& op_case, const BackwardCost& backward, const Prepared& p, Direction direction) {
  Cost cost{op_case.bytes > 0 ? op_case.bytes : p.input_bytes + p.output_bytes, op_case.flops,
            p.input_bytes + p.output_bytes};
  if (direction == Direction::forward_backward) {
    const double saved_bytes = backward.saved_bytes * static_cast<double>(p.cotangent.numel());
    cost.bytes += p.output_bytes + p.input_bytes + p.gradient_bytes + 2 * saved_bytes;
    cost.flops *= 1 + backward.flops;
    cost.working_set += p.output_bytes + p.gradient_bytes + saved_bytes;
  }
  return cost;
}

void run(::benchmark::State& state, const std::string& name, const OpCase& op_case,
         const BackwardCost& backward, const std::function<Tensor(std::span<const Tensor>)>& op, DType dtype,
         Device device, Direction direction, Cache cache) {
  Prepared& prepared = prepare(name, op_case, op, dtype, device, direction);
  if (!prepared.error.empty()) {
    state.SkipWithError(("wrong result: " + prepared.error).c_str());
    return;
  }
  const Cost cost = cost_of(op_case, backward, prepared, direction);
  std::vector<Tensor>& inputs = prepared.inputs;
  if (direction == Direction::forward) {
    const NoGrad no_grad;
    measure(state, device, cache, cost, [&] { ::benchmark::DoNotOptimize(op(inputs)); });
  } else {
    measure(state, device, cache, cost, [&] {
      for (Tensor& input : inputs) input.set_grad({});
      op(inputs).backward(prepared.cotangent);
    });
  }
}

/// An error ends one benchmark, not the program.
template <class F>
void guarded(::benchmark::State& state, const F& run) {
  try {
    run();
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

/// float32 and float64; where the table gives the dtype of all inputs, or counts bytes by hand (of float32),
/// that alone.
std::vector<DType> dtypes_of(const OpCase& op_case) {
  if (std::ranges::all_of(op_case.inputs, [](const auto& input) { return input.dtype.has_value(); })) {
    const DType first = *op_case.inputs.front().dtype;
    return {is_floating(first) ? first : DType::float32};
  }
  if (op_case.bytes > 0) return {DType::float32};
  return {DType::float32, DType::float64};
}

void register_case(const OpTable& table, const OpCase& op_case) {
  const std::string name = fmt::format("{}/{}", table.stem, op_case.name);
  for (const Device device : testing::test_devices()) {
    if (table.setting.set && device.is_cpu()) continue;
    for (const DType dtype : dtypes_of(op_case)) {
      const std::string prefix = fmt::format("{}/{}/{}", name, dtype, device);
      const auto add = [&](const char* suffix, Direction direction) {
        register_both(prefix + suffix, [=, &table, &op_case](::benchmark::State& state, Cache cache) {
          const SettingGuard setting(table.setting);
          guarded(state, [&] {
            run(state, name, op_case, table.backward, op_case.op, dtype, device, direction, cache);
          });
        });
      };
      add("/forward", Direction::forward);
      if (op_case.gradient) add("/forward+backward", Direction::forward_backward);
      for (const Baseline& baseline : baselines()) {
        if (baseline.name != name || baseline.dtype != dtype || !device.is_cpu()) continue;
        ::benchmark::RegisterBenchmark((prefix + "/forward/warm/" + baseline.library).c_str(),
                                       [=, &op_case, &table, &baseline](::benchmark::State& state) {
                                         guarded(state, [&] {
                                           run(state, name, op_case, table.backward, baseline.op, dtype,
                                               device, Direction::forward, Cache::warm);
                                         });
                                       })
            ->UseManualTime();
      }
    }
  }
}

/// Why the parameters after one step are wrong; empty when all elements are right.
std::string wrong_parameter(const OptimizerCase& optimizer_case, const std::vector<Tensor>& parameters) {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const std::vector<double> before = testing::parameter_values(optimizer_case, p);
    const std::vector<double> grads = testing::gradient_values(optimizer_case, p, 0);
    const std::vector<double> after = parameters[p].to_doubles();
    for (std::size_t i = 0; i < after.size(); ++i) {
      const double want = optimizer_case.reference(before[i], {&grads[i], 1});
      if (!(std::abs(after[i] - want) <= 1e-6 * (1 + std::abs(want)))) {
        return fmt::format("parameter {}, element {}: expected {:.9g}, got {:.9g}", p, i, want, after[i]);
      }
    }
  }
  return {};
}

void run_steps(::benchmark::State& state, const std::string& name, const OptimizerCase& optimizer_case,
               Device device, Cache cache) {
  std::vector<Tensor> parameters = testing::make_parameters(optimizer_case, DType::float32, device);
  const std::unique_ptr<Optimizer> optimizer = optimizer_case.make(parameters);
  testing::set_gradients(optimizer_case, parameters, 0);
  optimizer->step();           // creates the state
  static std::string checked;  // repetitions need no other check
  if (checked != name) {
    if (const std::string error = wrong_parameter(optimizer_case, parameters); !error.empty()) {
      state.SkipWithError(("wrong result: " + error).c_str());
      return;
    }
    checked = name;
  }
  double bytes = 0;
  for (const Tensor& parameter : parameters) bytes += static_cast<double>(parameter.nbytes());
  // Gradients are only read, parameters and state are read and written: p passes over (p + 1) / 2 arrays.
  const double arrays = (optimizer_case.passes + 1) / 2.0;
  measure(state, device, cache, {bytes * optimizer_case.passes, 0, bytes * arrays},
          [&] { optimizer->step(); });
}

}  // namespace

Register::Register(const char* stem, std::vector<OpCase> table, const BackwardCost& backward,
                   Setting setting) {
  op_tables().push_back({stem, std::move(table), backward, std::move(setting)});
}

RegisterOptimizer::RegisterOptimizer(const char* stem, std::vector<OptimizerCase> table) {
  optimizer_tables().push_back({stem, std::move(table)});
}

RegisterBaselines::RegisterBaselines(std::vector<Baseline> list) {
  for (Baseline& baseline : list) baselines().push_back(std::move(baseline));
}

void register_benchmarks() {
  for (const Device device : testing::test_devices()) register_roofline(device);
  for (const OpTable& table : op_tables()) {
    for (const OpCase& op_case : table.cases) {
      if (op_case.benchmark) register_case(table, op_case);
    }
  }
  for (const OptimizerTable& table : optimizer_tables()) {
    for (const OptimizerCase& optimizer_case : table.cases) {
      if (!optimizer_case.benchmark) continue;
      for (const Device device : testing::test_devices()) {
        const std::string name =
            fmt::format("{}/{}/float32/{}/step", table.stem, optimizer_case.name, device);
        register_both(name, [=, &optimizer_case](::benchmark::State& state, Cache cache) {
          guarded(state, [&] { run_steps(state, name, optimizer_case, device, cache); });
        });
      }
    }
  }
}

}  // namespace gnn::bench

int main(int argc, char** argv) {
#if !defined(NDEBUG)
  std::fputs("gnn_bench: this is not a Release build; its figures mean nothing\n", stderr);
  return 1;
#endif
  using namespace gnn;
  ::benchmark::Initialize(&argc, argv);
  if (::benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  try {
    ::benchmark::AddCustomContext("threads", std::to_string(num_threads()));
    for (const Device device : testing::test_devices()) {
      if (device.is_cuda())
        ::benchmark::AddCustomContext(device.to_string(), cuda::device_name(device.index));
      ::benchmark::AddCustomContext("last_level_cache/" + device.to_string(),
                                    std::to_string(bench::last_level_cache(device)));
      ::benchmark::AddCustomContext("private_cache/" + device.to_string(),
                                    std::to_string(bench::private_cache(device)));
    }
    if (cudnn::is_available()) ::benchmark::AddCustomContext("cudnn", cudnn::version());
    bench::register_benchmarks();
    ::benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gnn_bench: %s\n", error.what());
    return 1;
  }
  ::benchmark::Shutdown();
  return 0;
}
