#include "emulation/report.h"

#include <array>
#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

#include "emulation/control.h"
#include "emulation/options.h"

namespace gnn::emulation {
namespace {

struct Injection {
  std::uint64_t calls = 0;
  std::uint64_t fails_at = 0;  // 0: never
  cudaError_t error = cudaSuccess;
};

std::array<Injection, 3> injections;
std::vector<std::string> reports;
cudaError_t sticky = cudaSuccess;
thread_local cudaError_t last_error = cudaSuccess;

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
  if (++at.calls != at.fails_at) return false;
  at.fails_at = 0;
  status = at.error;
  return true;
}

void fail_call(Call call, std::uint64_t n, cudaError_t error) {
  const std::lock_guard lock(runtime_mutex());
  Injection& at = injection(call);
  at.fails_at = n == 0 ? 0 : at.calls + n;
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
