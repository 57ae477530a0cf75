#pragma once

// What tests ask of the emulated CUDA runtime. Environment variables decide how it runs, read once at its
// first call:
//
//   GNN_EMULATION_SEED=N     threads of a block and blocks of a grid run in random order, another for each
//   launch
//                            (unset: in order)
//   GNN_EMULATION_LAZY=1     work runs when the host waits for it, not when it is issued, and streams that
//   nobody
//                            waits for run late (with a seed: some of them, at random)
//   GNN_EMULATION_DEVICES=N  number of devices, 1 by default
//   GNN_EMULATION_MEMORY=N   MiB of memory of each device, 8192 by default
//   GNN_EMULATION_DRIVER=V   the driver supports CUDA up to V (12020 is 12.2), or with 0 there is none
//   GNN_EMULATION_CUDNN=V    cuDNN has the version V (81000 is 8.10.0), not that of its headers
//   GNN_EMULATION_DEVICE_CODE=0
//                            the program has no code for the devices
//   GNN_EMULATION_LAUNCHES=F at the end of the program, a line "COUNT KERNEL" for each kernel that ran goes
//   to file F

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace gnn::emulation {

/// Where a failure is injected: device and pinned allocations, launches of kernels, copies, launches of
/// graphs, and calls that wait for a stream, an event or the device.
enum class Call { allocation, launch, copy, graph_launch, synchronization };

/// Lets the n-th call from now on (1: the next one), and `times` in all, return `error`. n = 0 takes it back.
void fail_call(Call call, std::uint64_t n, cudaError_t error, std::uint64_t times = 1);
/// Lets every product of "cuBLAS", or "cudnnConvolutionForward 1" (a function of cuDNN and an algorithm),
/// take that much longer on the device; 0 takes it back.
void slow_down(const std::string& work, double milliseconds);
/// Forgets a fault, which no GPU does: memory stays as it is.
void forget_fault();
/// Calls of that kind so far.
std::uint64_t calls(Call call);

/// What was reported (to stderr, too) since the last call of this function, oldest first.
std::vector<std::string> take_reports();

/// Launches of each kernel since the last call of this function, by demangled name.
std::map<std::string, std::uint64_t> take_launches();

/// The compute types (cublasComputeType_t) that float32 products asked for since the last call of this
/// function; the emulation computes them all alike.
std::set<int> take_compute_types();

/// What cuBLAS cannot do. It need not do biases and their gradients with every product: then it finds no
/// algorithm, or refuses the one that it found.
enum class CublasRefusal { nothing, epilogues_by_heuristic, epilogues_by_matmul, products };
void refuse_in_cublas(CublasRefusal what);

/// Device allocations (cudaMalloc, cudaMallocAsync) and pinned ones that are live.
std::size_t live_allocations();

}  // namespace gnn::emulation
