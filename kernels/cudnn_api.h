#pragma once

// cuDNN's functions, looked up in the library when it is first needed; for conv2d_cudnn.cpp only.
// Not installed.
//
// This is cuDNN's fixed-function interface. It is deprecated in favour of graphs of operations, yet all of
// cuDNN 9 has it, it takes float64 and says which algorithms are deterministic, and a graph of one
// convolution is far more code. Another major version, which may lack it, is not used (cudnn.cpp).

#include <cudnn.h>

#include <string>

#define GNN_CUDNN_FUNCTIONS(F)                      \
  F(cudnnGetVersion)                                \
  F(cudnnGetErrorString)                            \
  F(cudnnCreate)                                    \
  F(cudnnDestroy)                                   \
  F(cudnnSetStream)                                 \
  F(cudnnCreateTensorDescriptor)                    \
  F(cudnnSetTensor4dDescriptor)                     \
  F(cudnnDestroyTensorDescriptor)                   \
  F(cudnnCreateFilterDescriptor)                    \
  F(cudnnSetFilter4dDescriptor)                     \
  F(cudnnDestroyFilterDescriptor)                   \
  F(cudnnCreateConvolutionDescriptor)               \
  F(cudnnSetConvolution2dDescriptor)                \
  F(cudnnSetConvolutionGroupCount)                  \
  F(cudnnSetConvolutionMathType)                    \
  F(cudnnDestroyConvolutionDescriptor)              \
  F(cudnnGetConvolutionForwardAlgorithm_v7)         \
  F(cudnnGetConvolutionForwardWorkspaceSize)        \
  F(cudnnConvolutionForward)                        \
  F(cudnnGetConvolutionBackwardDataAlgorithm_v7)    \
  F(cudnnGetConvolutionBackwardDataWorkspaceSize)   \
  F(cudnnConvolutionBackwardData)                   \
  F(cudnnGetConvolutionBackwardFilterAlgorithm_v7)  \
  F(cudnnGetConvolutionBackwardFilterWorkspaceSize) \
  F(cudnnConvolutionBackwardFilter)

namespace gnn::kernels {

struct CudnnApi {
#define GNN_CUDNN_MEMBER(name) decltype(&::name) name = nullptr;
  GNN_CUDNN_FUNCTIONS(GNN_CUDNN_MEMBER)
#undef GNN_CUDNN_MEMBER
};

/// Throws DeviceError, with the reason, where cuDNN is not available.
const CudnnApi& cudnn_api();

/// Throws CudaError, or OutOfMemoryError, naming the running kernel, `call` and what it was about.
void check_cudnn(cudnnStatus_t status, const char* call, const std::string& subject = {});

}  // namespace gnn::kernels
