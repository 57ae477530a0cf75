// cuDNN's functions: convolutions by plain loops.

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include "emulation/cudnn_calls.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/streams.h"

namespace gnn::emulation {
namespace {

template <class T>
cudnnStatus_t create(const char* function, T** object, T value = {}) {
  const std::lock_guard lock(runtime_mutex());
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  if (fails(function, status)) return status;
  *object = new T(value);
  live_objects().insert(*object);
  return status;
}

template <class T>
cudnnStatus_t destroy(const char* function, T* object) {
  const std::lock_guard lock(runtime_mutex());
  if (!exist(function, object)) return CUDNN_STATUS_BAD_PARAM;
  live_objects().erase(object);
  delete object;
  return CUDNN_STATUS_SUCCESS;
}

template <class T>
cudnnStatus_t set_sizes(const char* function, T* descriptor, cudnnTensorFormat_t format, cudnnDataType_t type,
                        const std::array<int, 4>& sizes) {
  const std::lock_guard lock(runtime_mutex());
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  if (fails(function, status)) return status;
  if (!exist(function, descriptor)) return CUDNN_STATUS_BAD_PARAM;
  if (std::ranges::any_of(sizes, [](int size) { return size <= 0; })) return CUDNN_STATUS_BAD_PARAM;
  if (format != CUDNN_TENSOR_NCHW || (type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_DOUBLE))
    return CUDNN_STATUS_NOT_SUPPORTED;
  *descriptor = {type, sizes};
  return status;
}

template <class Perf>
cudnnStatus_t suggest(const CudnnCall& call, int size, int* count, Perf* results) {
  const std::lock_guard lock(runtime_mutex());
  // It may load what it needs for that.
  if (forbid_during_capture(call.function) != cudaSuccess) return CUDNN_STATUS_NOT_INITIALIZED;
  CudnnGeometry geometry{};
  std::vector<CudnnOffer> list;
  if (const cudnnStatus_t status = begin(call, geometry, list); status != CUDNN_STATUS_SUCCESS) return status;
  *count = std::min(size, static_cast<int>(list.size()));
  for (int i = 0; i < *count; ++i) {
    const CudnnOffer& offer = list[static_cast<std::size_t>(i)];
    results[i] = {};
    results[i].algo = static_cast<decltype(results[i].algo)>(offer.id);
    results[i].status = offer.status;
    results[i].time = -1;
    results[i].memory = offer.workspace;
    results[i].determinism = offer.deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
    results[i].mathType = offer.math;
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

}  // namespace gnn::emulation

using namespace gnn::emulation;

size_t cudnnGetVersion() {
  return static_cast<size_t>(options().cudnn.value_or(CUDNN_VERSION));
}

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM:
      return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT:
      return "CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT";
    case CUDNN_STATUS_NOT_SUPPORTED:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED:
      return "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
      return "another status";
  }
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return CUDNN_STATUS_NOT_INITIALIZED;
  // It allocates memory.
  if (forbid_during_capture("cudnnCreate") != cudaSuccess) return CUDNN_STATUS_NOT_INITIALIZED;
  return create("cudnnCreate", handle, cudnnContext{current_device(), nullptr});
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return destroy("cudnnDestroy", handle);
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());
  if (!exist("cudnnSetStream", handle)) return CUDNN_STATUS_BAD_PARAM;
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* descriptor) {
  return create("cudnnCreateTensorDescriptor", descriptor);
}

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t descriptor, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c, int h, int w) {
  return set_sizes("cudnnSetTensor4dDescriptor", descriptor, format, type, {n, c, h, w});
}

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t descriptor) {
  return destroy("cudnnDestroyTensorDescriptor", descriptor);
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* descriptor) {
  return create("cudnnCreateFilterDescriptor", descriptor);
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t descriptor, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w) {
  return set_sizes("cudnnSetFilter4dDescriptor", descriptor, format, type, {k, c, h, w});
}

cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t descriptor) {
  return destroy("cudnnDestroyFilterDescriptor", descriptor);
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* descriptor) {
  return create("cudnnCreateConvolutionDescriptor", descriptor);
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t descriptor, int pad_h, int pad_w,
                                              int stride_h, int stride_w, int dilation_h, int dilation_w,
                                              cudnnConvolutionMode_t mode, cudnnDataType_t type) {
  const std::lock_guard lock(runtime_mutex());
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  if (fails("cudnnSetConvolution2dDescriptor", status)) return status;
  if (!exist("cudnnSetConvolution2dDescriptor", descriptor)) return CUDNN_STATUS_BAD_PARAM;
  if (pad_h < 0 || pad_w < 0 || std::min({stride_h, stride_w, dilation_h, dilation_w}) <= 0)
    return CUDNN_STATUS_BAD_PARAM;
  if (mode != CUDNN_CROSS_CORRELATION) return CUDNN_STATUS_NOT_SUPPORTED;
  *descriptor = {type, {pad_h, pad_w}, {stride_h, stride_w}, {dilation_h, dilation_w}};
  return status;
}

cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t descriptor, int groups) {
  const std::lock_guard lock(runtime_mutex());
  if (!exist("cudnnSetConvolutionGroupCount", descriptor) || groups <= 0) return CUDNN_STATUS_BAD_PARAM;
  descriptor->groups = groups;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t descriptor, cudnnMathType_t math) {
  const std::lock_guard lock(runtime_mutex());
  if (!exist("cudnnSetConvolutionMathType", descriptor)) return CUDNN_STATUS_BAD_PARAM;
  descriptor->math = math;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t descriptor) {
  return destroy("cudnnDestroyConvolutionDescriptor", descriptor);
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
                                                     const cudnnFilterDescriptor_t w,
                                                     const cudnnConvolutionDescriptor_t convolution,
                                                     const cudnnTensorDescriptor_t y, int size, int* count,
                                                     cudnnConvolutionFwdAlgoPerf_t* results) {
  return suggest({__func__, CudnnDirection::forward, handle, x, w, convolution, y}, size, count, results);
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
                                                      const cudnnFilterDescriptor_t w,
                                                      const cudnnConvolutionDescriptor_t convolution,
                                                      const cudnnTensorDescriptor_t y,
                                                      cudnnConvolutionFwdAlgo_t algorithm, size_t* bytes) {
  return workspace_size({__func__, CudnnDirection::forward, handle, x, w, convolution, y}, algorithm, bytes);
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha,
                                      const cudnnTensorDescriptor_t x_descriptor, const void* x,
                                      const cudnnFilterDescriptor_t w_descriptor, const void* w,
                                      const cudnnConvolutionDescriptor_t descriptor,
                                      cudnnConvolutionFwdAlgo_t algorithm, void* workspace, size_t bytes,
                                      const void* beta, const cudnnTensorDescriptor_t y_descriptor, void* y) {
  return convolution(
      {__func__, CudnnDirection::forward, handle, x_descriptor, w_descriptor, descriptor, y_descriptor},
      algorithm, alpha, x, w, y, workspace, bytes, beta);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t y,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t x, int size, int* count,
    cudnnConvolutionBwdDataAlgoPerf_t* results) {
  return suggest({__func__, CudnnDirection::backward_data, handle, x, w, convolution, y}, size, count,
                 results);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t y,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t x,
    cudnnConvolutionBwdDataAlgo_t algorithm, size_t* bytes) {
  return workspace_size({__func__, CudnnDirection::backward_data, handle, x, w, convolution, y}, algorithm,
                        bytes);
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha,
                                           const cudnnFilterDescriptor_t w_descriptor, const void* w,
                                           const cudnnTensorDescriptor_t y_descriptor, const void* y,
                                           const cudnnConvolutionDescriptor_t descriptor,
                                           cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace,
                                           size_t bytes, const void* beta,
                                           const cudnnTensorDescriptor_t x_descriptor, void* x) {
  return convolution(
      {__func__, CudnnDirection::backward_data, handle, x_descriptor, w_descriptor, descriptor, y_descriptor},
      algorithm, alpha, x, w, y, workspace, bytes, beta);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t y,
    const cudnnConvolutionDescriptor_t convolution, const cudnnFilterDescriptor_t w, int size, int* count,
    cudnnConvolutionBwdFilterAlgoPerf_t* results) {
  return suggest({__func__, CudnnDirection::backward_filter, handle, x, w, convolution, y}, size, count,
                 results);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t y,
    const cudnnConvolutionDescriptor_t convolution, const cudnnFilterDescriptor_t w,
    cudnnConvolutionBwdFilterAlgo_t algorithm, size_t* bytes) {
  return workspace_size({__func__, CudnnDirection::backward_filter, handle, x, w, convolution, y}, algorithm,
                        bytes);
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void* alpha,
                                             const cudnnTensorDescriptor_t x_descriptor, const void* x,
                                             const cudnnTensorDescriptor_t y_descriptor, const void* y,
                                             const cudnnConvolutionDescriptor_t descriptor,
                                             cudnnConvolutionBwdFilterAlgo_t algorithm, void* workspace,
                                             size_t bytes, const void* beta,
                                             const cudnnFilterDescriptor_t w_descriptor, void* w) {
  return convolution({__func__, CudnnDirection::backward_filter, handle, x_descriptor, w_descriptor,
                      descriptor, y_descriptor},
                     algorithm, alpha, x, w, y, workspace, bytes, beta);
}
