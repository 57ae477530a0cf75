#include "support/bench.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/core/stream.h"

namespace gnn::bench {
namespace {

using testing::Array;
using testing::OpCase;

double bytes_of(const OpCase& op_case, const std::vector<Tensor>& inputs, const Tensor& output) {
  if (op_case.bytes > 0) return op_case.bytes;
  double bytes = static_cast<double>(output.nbytes());
  for (const Tensor& input : inputs) bytes += static_cast<double>(input.nbytes());
  return bytes;
}

/// A benchmark of a wrong result is worthless: the first call is compared with the reference.
bool is_right(const OpCase& op_case, const Array& got, const Array& want) {
  if (!(got.shape == want.shape)) return false;
  for (std::int64_t i = 0; i < got.shape.numel(); ++i) {
    if (!(std::abs(got[i] - want[i]) <= op_case.tolerance * (1 + std::abs(want[i])))) return false;
  }
  return true;
}

void run_forward(::benchmark::State& state, const OpCase& op_case, Device device) {
  const std::vector<Array> arrays = testing::make_inputs(op_case, DType::float32);
  const std::vector<Tensor> inputs = testing::to_tensors(op_case, arrays, DType::float32, device, false);
  const NoGrad no_grad;
  const Tensor output = op_case.op(inputs);
  if (!is_right(op_case, testing::to_array(output), op_case.reference(arrays))) {
    state.SkipWithError("the result does not match the reference");
    return;
  }
  for (auto _ : state) {
    ::benchmark::DoNotOptimize(op_case.op(inputs));
    synchronize(device);
  }
  const auto rounds = static_cast<double>(state.iterations());
  using ::benchmark::Counter;
  state.counters["bytes/s"] =
      Counter(rounds * bytes_of(op_case, inputs, output), Counter::kIsRate, Counter::kIs1000);
  if (op_case.flops > 0) {
    state.counters["flop/s"] = Counter(rounds * op_case.flops, Counter::kIsRate, Counter::kIs1000);
  }
}

void run_training(::benchmark::State& state, const OpCase& op_case, Device device) {
  const std::vector<Array> arrays = testing::make_inputs(op_case, DType::float32);
  std::vector<Tensor> inputs = testing::to_tensors(op_case, arrays, DType::float32, device, true);
  const Shape shape = op_case.op(inputs).shape();
  const Tensor cotangent =
      testing::to_tensor({shape, testing::random_values(shape.numel(), -1, 1, 1)}, DType::float32, device);
  for (auto _ : state) {
    for (Tensor& input : inputs) input.set_grad({});
    op_case.op(inputs).backward(cotangent);
    synchronize(device);
  }
}

}  // namespace

Register::Register(const char* stem, const std::vector<OpCase>& table) {
  for (const OpCase& op_case : table) {
    if (!op_case.benchmark) continue;
    for (const Device device : testing::test_devices()) {
      const std::string name = fmt::format("{}/{}/{}", stem, op_case.name, device);
      ::benchmark::RegisterBenchmark((name + "/forward").c_str(), [op_case,
                                                                   device](::benchmark::State& state) {
        run_forward(state, op_case, device);
      })->UseRealTime();
      if (!op_case.gradient) continue;
      ::benchmark::RegisterBenchmark((name + "/forward+backward").c_str(), [op_case, device](
                                                                               ::benchmark::State& state) {
        run_training(state, op_case, device);
      })->UseRealTime();
    }
  }
}

}  // namespace gnn::bench

int main(int argc, char** argv) {
#if !defined(NDEBUG)
  std::fputs("gnn_bench: this is not a Release build; its figures mean nothing\n", stderr);
  return 1;
#endif
  ::benchmark::Initialize(&argc, argv);
  if (::benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  ::benchmark::RunSpecifiedBenchmarks();
  ::benchmark::Shutdown();
  return 0;
}
