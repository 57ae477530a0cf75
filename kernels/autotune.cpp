#include "gnn/kernels/autotune.h"

#include <algorithm>
#include <array>
#include <limits>

#include "gnn/core/check.h"
#include "gnn/core/stream.h"

namespace gnn::kernels {
namespace {

constexpr std::size_t repetitions = 5;

double median_time(const Candidate& candidate, Device device) {
  const Stream stream = Stream::current(device);
  candidate.run();
  // Without a wait in between: the host runs ahead of the device, as in training.
  std::vector<Event> events;  // one by one: copies are handles of one event
  for (std::size_t i = 0; i <= repetitions; ++i) events.emplace_back(device);
  events[0].record(stream);
  for (std::size_t i = 1; i <= repetitions; ++i) {
    candidate.run();
    events[i].record(stream);
  }
  events.back().synchronize();
  std::array<double, repetitions> times{};
  for (std::size_t i = 0; i < repetitions; ++i) times[i] = events[i + 1].milliseconds_since(events[i]);
  std::ranges::nth_element(times, times.begin() + repetitions / 2);
  return times[repetitions / 2];
}

}  // namespace

std::vector<Timing> time_candidates(const std::vector<Candidate>& candidates, Device device) {
  std::vector<Timing> timings(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    try {
      timings[i].milliseconds = median_time(candidates[i], device);
    } catch (const Error& error) {
      timings[i].error = error.what();
    }
  }
  return timings;
}

std::size_t fastest(const std::vector<Timing>& timings) {
  std::size_t best = timings.size();
  for (std::size_t i = 0; i < timings.size(); ++i) {
    if (!timings[i].error.empty()) continue;
    if (best == timings.size() || timings[i].milliseconds < timings[best].milliseconds) best = i;
  }
  if (best == timings.size()) throw CudaError(timings.empty() ? "nothing to choose from" : timings[0].error);
  return best;
}

}  // namespace gnn::kernels
