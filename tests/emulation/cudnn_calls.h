#pragma once

// Between cuDNN's functions (cudnn.cpp) and what they do: handles, descriptors, algorithms.

#include <cudnn.h>

#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "emulation/cudnn_arithmetic.h"
#include "emulation/report.h"

struct cudnnContext {
  int device = 0;
  cudaStream_t stream = nullptr;
};

struct cudnnTensorStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::array<int, 4> sizes{};
};

struct cudnnFilterStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::array<int, 4> sizes{};
};

struct cudnnConvolutionStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::array<int, 2> pad{}, stride{}, dilation{};
  int groups = 1;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
};

namespace gnn::emulation {

/// True when this call of `function` fails by injection; `status` is then its error.
bool fails(const char* function, cudnnStatus_t& status);

/// The handles and descriptors there are.
std::set<const void*>& live_objects();

/// True when all of them exist; reports what does not.
template <class... T>
bool exist(const char* function, const T*... objects) {
  const bool all = (live_objects().contains(objects) && ...);
  if (!all) report(std::string("cuDNN: ") + function + " got a handle or descriptor that does not exist");
  return all;
}

/// An algorithm as it is suggested.
struct CudnnOffer {
  int id;
  cudnnMathType_t math;
  std::size_t workspace;
  bool deterministic = true;
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
};

/// A call that is about one convolution.
struct CudnnCall {
  const char* function;
  CudnnDirection direction;
  const cudnnContext* handle;
  const cudnnTensorStruct* x;
  const cudnnFilterStruct* w;
  const cudnnConvolutionStruct* convolution;
  const cudnnTensorStruct* y;
};

/// What the call is about, and the algorithms that are suggested for it; another status when it is wrong or
/// is to fail.
cudnnStatus_t begin(const CudnnCall& call, CudnnGeometry& geometry, std::vector<CudnnOffer>& list);

/// The workspace that `algorithm` wants with the descriptor's math type.
cudnnStatus_t workspace_size(const CudnnCall& call, int algorithm, std::size_t* bytes);

/// Issues a convolution to the handle's stream; what it writes is one of x, w and y.
cudnnStatus_t convolution(const CudnnCall& call, int algorithm, const void* alpha, const void* x,
                          const void* w, const void* y, void* workspace, std::size_t workspace_bytes,
                          const void* beta);

}  // namespace gnn::emulation
