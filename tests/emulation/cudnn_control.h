#pragma once

// What tests ask of the emulated cuDNN.

#include <cudnn.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gnn::emulation {

/// Lets the n-th call of `function` from now on (1: the next one), and `times` in all, return `status`. n = 0
/// takes it back.
void fail_cudnn(const std::string& function, std::uint64_t n, cudnnStatus_t status, std::uint64_t times = 1);

/// A convolution that was issued.
struct CudnnRun {
  std::string function;
  int algorithm;
  cudnnMathType_t math;
  std::size_t workspace_bytes;
};
/// Those since the last call of this function, oldest first.
std::vector<CudnnRun> take_cudnn_runs();

/// Handles and descriptors that were not destroyed.
std::size_t live_cudnn_objects();

}  // namespace gnn::emulation
