#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gnn/core/export.h"

namespace gnn {

/// How convolutions and their gradients are computed on CUDA, for all threads, from the next operation on;
/// without effect on the CPU, and on conv2d_pool() where that has kernels of its own.
///
/// * "gemm" (the default): matrix products of cuBLAS over im2col matrices.
/// * "cudnn": the algorithm that cuDNN's heuristics put first. A convolution that cuDNN has none for throws
///   CudaError.
/// * "auto": whichever was measured to be the fastest, "gemm" or one of cuDNN's. The first call with a shape
///   (parameters, dtype, device, precision; each direction for itself) runs each of them a few times and
///   waits for the device; the fastest is remembered until the process ends. One that fails is left out.
///   While a step is captured nothing is measured: what was not met before runs as "gemm". Without cuDNN
///   this is "gemm".
///
/// All algorithms compute the same sums in different orders. "gemm" and "cudnn" give bitwise the same results
/// on every run (on one kind of GPU, with one version of the libraries): of cuDNN's algorithms those that it
/// calls deterministic are used only. With "auto" another run may measure otherwise and round otherwise;
/// within one process results repeat, unless a shape is first met in a capture.
///
/// With set_float32_matmul_precision("highest"), cuDNN uses float32 and no tensor cores, and algorithms that
/// multiply as a matrix product does; "high" allows TensorFloat-32 and the transforms (Winograd, FFT), whose
/// rounding errors are larger, too.
///
/// Throws ValueError for other words, DeviceError for "cudnn" where cudnn::is_available() is false.
GNN_API void set_conv2d_algorithm(std::string_view algorithm);
/// "gemm", "cudnn" or "auto".
GNN_API std::string_view get_conv2d_algorithm();

/// What "auto" measured for one convolution or gradient, and chose.
struct GNN_API Conv2dTuning {
  struct Candidate {
    std::string algorithm;    ///< "gemm", "cudnn implicit_gemm" …
    double milliseconds = 0;  ///< the median
    std::string error;        ///< why it was left out; empty: it was not
  };
  std::string problem;  ///< "conv2d_forward of input [64, 20, 12, 12], weight [50, 20, 5, 5], stride 1, …"
  std::string chosen;
  std::vector<Candidate> candidates;
};

/// What was measured in this process, oldest first.
GNN_API std::vector<Conv2dTuning> conv2d_tunings();
/// Forgets it: shapes are measured anew.
GNN_API void forget_conv2d_tunings();

}  // namespace gnn
