#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace gnn::emulation {

/// Prints what the emulator found and keeps it for take_reports().
void report(const std::string& text);

/// `status` as the result of a call: becomes the thread's last error. A sticky error comes before any other.
cudaError_t finish(cudaError_t status);

/// The context is broken: from now on every call returns `status`, until cudaDeviceReset.
void set_sticky_error(cudaError_t status);
cudaError_t sticky_error();

/// Counts a launch of cuBLAS for take_launches().
void count_library_launch(const std::string& name);

/// Called by work on the device: takes as long as slow_down() said.
void take_time(const std::string& work);

/// True when this call of that kind is the one that fails by injection; `status` is then its error.
enum class Call;
bool fails_by_injection(Call call, cudaError_t& status);

}  // namespace gnn::emulation
