// What takes the place of cudnn.cpp and conv2d_cudnn.cpp in a build without cuDNN.

#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/kernels/conv2d_cudnn.h"
#include "gnn/kernels/cudnn.h"

namespace gnn::cudnn {

bool is_available() {
  return false;
}

std::string unavailable_reason() {
  return "this libgnn was built without cuDNN; rebuild it with -DGNN_CUDNN=ON where the CUDA toolkit and "
         "cuDNN are "
         "installed";
}

std::string version() {
  return {};
}

}  // namespace gnn::cudnn

namespace gnn::kernels {

struct CudnnConvolution::Descriptors {};

CudnnConvolution& CudnnConvolution::of(const Conv2dProblem&) {
  fail<DeviceError>("{}: cuDNN cannot be used: {}", KernelScope::current(), cudnn::unavailable_reason());
}

CudnnConvolution::~CudnnConvolution() = default;

void CudnnConvolution::run(const CudnnAlgorithm&, const void*, const void*, void*, bool) {}  // there is none

}  // namespace gnn::kernels
