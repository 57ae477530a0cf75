// What can be done wrong with cuDNN, each with its correct twin; as planted_bugs.cpp in all else.

#include <cuda_runtime.h>
#include <cudnn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

[[noreturn]] void end_with_error(const char* call, const char* name) {
  std::printf("error: %s in %s\n", name, call);
  std::exit(4);
}

#define CHECK(call)                                                             \
  do {                                                                          \
    const cudaError_t status = call;                                            \
    if (status != cudaSuccess) end_with_error(#call, cudaGetErrorName(status)); \
  } while (false)
#define CHECK_CUDNN(call)                                                                   \
  do {                                                                                      \
    const cudnnStatus_t status = call;                                                      \
    if (status != CUDNN_STATUS_SUCCESS) end_with_error(#call, cudnnGetErrorString(status)); \
  } while (false)

float* device_ones(std::size_t count) {
  const std::vector<float> values(count, 1.0F);
  void* data = nullptr;
  CHECK(cudaMalloc(&data, count * sizeof(float)));
  CHECK(cudaMemcpy(data, values.data(), count * sizeof(float), cudaMemcpyHostToDevice));
  return static_cast<float*>(data);
}

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

/// Ones of 1 x 2 x 8 x 8 convolved with ones of 1 x 2 x 3 x 3: 36 positions, all 18.
struct Convolution {
  explicit Convolution(int height = 6) {
    CHECK_CUDNN(cudnnCreate(&handle));
    CHECK_CUDNN(cudnnCreateTensorDescriptor(&x_sizes));
    CHECK_CUDNN(cudnnSetTensor4dDescriptor(x_sizes, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 2, 8, 8));
    CHECK_CUDNN(cudnnCreateTensorDescriptor(&y_sizes));
    CHECK_CUDNN(cudnnSetTensor4dDescriptor(y_sizes, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 1, height, 6));
    CHECK_CUDNN(cudnnCreateFilterDescriptor(&w_sizes));
    CHECK_CUDNN(cudnnSetFilter4dDescriptor(w_sizes, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 1, 2, 3, 3));
    CHECK_CUDNN(cudnnCreateConvolutionDescriptor(&sizes));
    CHECK_CUDNN(
        cudnnSetConvolution2dDescriptor(sizes, 0, 0, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    CHECK_CUDNN(cudnnSetConvolutionMathType(sizes, CUDNN_FMA_MATH));
  }

  void run(cudaStream_t stream = nullptr) {
    const float alpha = 1;
    const float beta = 0;
    CHECK_CUDNN(cudnnSetStream(handle, stream));
    CHECK_CUDNN(cudnnConvolutionForward(handle, &alpha, x_sizes, x, w_sizes, w, sizes,
                                        CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, workspace,
                                        workspace_bytes, &beta, y_sizes, y));
  }

  bool right(const float* result) const {
    std::vector<float> values(36);
    CHECK(cudaMemcpy(values.data(), result, values.size() * sizeof(float), cudaMemcpyDeviceToHost));
    for (const float value : values) {
      if (!(value == 18)) return false;
    }
    return true;
  }

  cudnnHandle_t handle = nullptr;
  cudnnTensorDescriptor_t x_sizes = nullptr;
  cudnnTensorDescriptor_t y_sizes = nullptr;
  cudnnFilterDescriptor_t w_sizes = nullptr;
  cudnnConvolutionDescriptor_t sizes = nullptr;
  const float* x = device_ones(128);
  const float* w = device_ones(18);
  float* y = device_ones(36);
  std::size_t workspace_bytes = 18 * sizeof(float);
  float* workspace = device_ones(18);
};

bool workspace_too_small(bool fixed) {
  Convolution convolution;
  if (!fixed) convolution.workspace_bytes -= 4;
  convolution.run();
  return convolution.right(convolution.y);
}

bool host_pointer(bool fixed) {
  Convolution convolution;
  const std::vector<float> ones(18, 1.0F);
  if (!fixed) convolution.w = ones.data();
  convolution.run();
  return convolution.right(convolution.y);
}

bool result_too_short(bool fixed) {
  Convolution convolution;
  if (!fixed) convolution.y = device_ones(35);
  convolution.run();
  return convolution.right(convolution.y);
}

bool descriptors_that_do_not_fit(bool fixed) {
  Convolution convolution(fixed ? 6 : 5);
  convolution.run();
  return convolution.right(convolution.y);
}

bool destroyed_descriptor(bool fixed) {
  Convolution convolution;
  if (!fixed) CHECK_CUDNN(cudnnDestroyFilterDescriptor(convolution.w_sizes));
  convolution.run();
  return convolution.right(convolution.y);
}

bool handle_of_another_device(bool fixed) {
  Convolution convolution;
  if (!fixed) CHECK(cudaSetDevice(1));
  convolution.run();
  return convolution.right(convolution.y);
}

bool missing_event_wait(bool fixed) {
  Convolution convolution;
  float* copy = device_ones(36);
  const cudaStream_t producer = new_stream();
  const cudaStream_t consumer = new_stream();
  cudaEvent_t event = nullptr;
  CHECK(cudaEventCreate(&event));
  convolution.run(producer);
  CHECK(cudaEventRecord(event, producer));
  if (fixed) CHECK(cudaStreamWaitEvent(consumer, event, 0));
  CHECK(cudaMemcpyAsync(copy, convolution.y, 36 * sizeof(float), cudaMemcpyDeviceToDevice, consumer));
  CHECK(cudaStreamSynchronize(consumer));
  return convolution.right(copy);
}

bool shared_workspace(bool fixed) {
  Convolution convolution;
  const cudaStream_t first = new_stream();
  const cudaStream_t second = new_stream();
  convolution.run(first);
  float* const other = device_ones(36);
  convolution.y = other;
  if (fixed) convolution.workspace = device_ones(18);
  convolution.run(second);
  CHECK(cudaStreamSynchronize(first));
  CHECK(cudaStreamSynchronize(second));
  return convolution.right(other);
}

const std::map<std::string, bool (*)(bool fixed)> cases = {
    {"cudnn_workspace_too_small", workspace_too_small},
    {"cudnn_host_pointer", host_pointer},
    {"cudnn_result_too_short", result_too_short},
    {"cudnn_descriptors_that_do_not_fit", descriptors_that_do_not_fit},
    {"cudnn_destroyed_descriptor", destroyed_descriptor},
    {"cudnn_handle_of_another_device", handle_of_another_device},
    {"cudnn_missing_event_wait", missing_event_wait},
    {"cudnn_shared_workspace", shared_workspace},
};

}  // namespace

int main(int argc, char** argv) {
  const auto found = cases.find(argc > 1 ? argv[1] : "");
  if (found == cases.end()) {
    for (const auto& [name, run] : cases) std::printf("%s\n", name.c_str());
    return argc > 1 ? 2 : 0;
  }
  const bool right = found->second(argc > 2 && std::string(argv[2]) == "fixed");
  std::printf("result: %s\n", right ? "right" : "wrong");
  return right ? 0 : 3;
}
