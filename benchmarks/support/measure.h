#pragma once

#include <benchmark/benchmark.h>

#include "gnn/core/stream.h"
#include "support/flush.h"

namespace gnn::bench {

enum class Cache { warm, cold };

inline const char* name_of(Cache cache) {
  return cache == Cache::warm ? "warm" : "cold";
}

/// What a call costs in theory.
struct Cost {
  double bytes = 0;        ///< that must be read or written
  double flops = 0;        ///< 0: not counted
  double working_set = 0;  ///< bytes of all tensors that take part
};

/// Times `call` between two events of the device (on the CPU: the clock). Warm: calls follow one another on
/// the stream, and on the CPU data stays in caches as far as it fits. Cold: every call alone, after
/// flush_caches(), which is not timed.
template <class F>
void measure(::benchmark::State& state, Device device, Cache cache, const Cost& cost, const F& call) {
  const Stream stream = Stream::current(device);
  Event begin(device), end(device);
  const auto seconds = [&] {
    end.record(stream);
    end.synchronize();
    return end.milliseconds_since(begin) * 1e-3;
  };
  call();
  synchronize(device);
  if (cache == Cache::warm) {
    begin.record(stream);
    for (auto _ : state) call();
    state.SetIterationTime(seconds());  // of all iterations
  } else {
    for (auto _ : state) {
      flush_caches(device);
      begin.record(stream);
      call();
      state.SetIterationTime(seconds());
    }
  }
  using ::benchmark::Counter;
  state.counters["bytes"] = Counter(cost.bytes);
  state.counters["working_set"] = Counter(cost.working_set);
  const auto per_second = [&](double amount) {
    return Counter(static_cast<double>(state.iterations()) * amount, Counter::kIsRate, Counter::kIs1000);
  };
  if (cost.bytes > 0) state.counters["bytes/s"] = per_second(cost.bytes);
  if (cost.flops > 0) {
    state.counters["flops"] = Counter(cost.flops);
    state.counters["flop/s"] = per_second(cost.flops);
  }
}

/// Registers `run(state, cache)` for both caches; cold calls are counted, as their time is small beside the
/// flush.
template <class F>
void register_both(const std::string& name, const F& run) {
  for (const Cache cache : {Cache::warm, Cache::cold}) {
    auto* benchmark =
        ::benchmark::RegisterBenchmark((name + "/" + name_of(cache)).c_str(),
                                       [run, cache](::benchmark::State& state) { run(state, cache); });
    benchmark->UseManualTime();
    if (cache == Cache::cold) benchmark->Iterations(5);
  }
}

}  // namespace gnn::bench
