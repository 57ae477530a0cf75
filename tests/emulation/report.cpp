#include "emulation/report.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "emulation/control.h"
#include "emulation/options.h"

namespace gnn::emulation {
namespace {

struct Injection {
  std::uint64_t calls = 0;
  std::uint64_t fails_at = 0;
  std::uint64_t times = 0;  // that it fails, from then on
  cudaError_t error = cudaSuccess;
};

std::array<Injection, 5> injections;
std::vector<std::string> reports;
cudaError_t sticky = cudaSuccess;
thread_local cudaError_t last_error = cudaSuccess;

std::map<std::string, double>& delays() {
  static auto& all = *new std::map<std::string, double>;
  return all;
}

Injection& injection(Call call) {
  return injections[static_cast<std::size_t>(call)];
}

}  // namespace

void report(const std::string& text) {
  std::fprintf(stderr, "emulated CUDA: %s\n", text.c_str());
  reports.push_back(text);
}

cudaError_t finish(cudaError_t status) {
  if (sticky != cudaSuccess) status = sticky;
  if (status != cudaSuccess && status != cudaErrorNotReady) last_error = status;
  return status;
}

void set_sticky_error(cudaError_t status) {
  if (sticky == cudaSuccess || status == cudaSuccess) sticky = status;
}

cudaError_t sticky_error() {
  return sticky;
}

bool fails_by_injection(Call call, cudaError_t& status) {
  Injection& at = injection(call);
  ++at.calls;
  if (at.times == 0 || at.calls < at.fails_at) return false;
  --at.times;
  status = at.error;
  if (status == cudaErrorIllegalAddress || status == cudaErrorLaunchFailure) set_sticky_error(status);
  return true;
}

void forget_fault() {
  const std::lock_guard lock(runtime_mutex());
  set_sticky_error(cudaSuccess);
  last_error = cudaSuccess;
}

void slow_down(const std::string& work, double milliseconds) {
  const std::lock_guard lock(runtime_mutex());
  delays()[work] = milliseconds;
}

void take_time(const std::string& work) {
  const auto delay = delays().find(work);
  if (delay != delays().end())
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(delay->second));
}

void fail_call(Call call, std::uint64_t n, cudaError_t error, std::uint64_t times) {
  const std::lock_guard lock(runtime_mutex());
  Injection& at = injection(call);
  at.fails_at = at.calls + n;
  at.times = n == 0 ? 0 : times;
  at.error = error;
}

std::uint64_t calls(Call call) {
  const std::lock_guard lock(runtime_mutex());
  return injection(call).calls;
}

std::vector<std::string> take_reports() {
  const std::lock_guard lock(runtime_mutex());
  return std::exchange(reports, {});
}

}  // namespace gnn::emulation

using namespace gnn::emulation;

cudaError_t cudaGetLastError() {
  if (sticky_error() != cudaSuccess) return sticky_error();
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  return sticky_error() != cudaSuccess ? sticky_error() : last_error;
}
