#pragma once

// Who computes a convolution on CUDA: matrix products or cuDNN (conv2d_algorithm.h). Not installed.

#include <cstdint>
#include <functional>

#include "gnn/kernels/conv2d.h"
#include "gnn/kernels/conv2d_cudnn.h"

namespace gnn::kernels {

enum class Conv2dChoice : std::uint8_t { gemm, cudnn, automatic };
/// What set_conv2d_algorithm() chose.
Conv2dChoice conv2d_choice();

/// Runs `gemm`, or `cudnn` with the algorithm that was measured to be faster; see conv2d_algorithm.h, "auto".
void run_fastest_conv2d(const Conv2dProblem& problem, const std::function<void()>& gemm,
                        const std::function<void(const CudnnAlgorithm&)>& cudnn);

/// Computes `problem` as was chosen: by `gemm()`, or by `cudnn(algorithm)`. Both write the whole result.
template <class Gemm, class Cudnn>
void run_conv2d(const Conv2dProblem& problem, const Gemm& gemm, const Cudnn& cudnn) {
  const Conv2dSizes& z = problem.sizes;
  if (z.n == 0 || z.o == 0 || z.patch == 0 || z.positions == 0) {  // cuDNN refuses empty tensors
    gemm();
    return;
  }
  switch (conv2d_choice()) {
    case Conv2dChoice::gemm:
      gemm();
      return;
    case Conv2dChoice::cudnn:
      cudnn(CudnnConvolution::of(problem).algorithms().front());
      return;
    case Conv2dChoice::automatic:
      run_fastest_conv2d(problem, gemm, cudnn);
      return;
  }
}

}  // namespace gnn::kernels
