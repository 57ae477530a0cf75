// The emulated runtime does what CUDA's documentation says, where libgnn and its tests build on it.

#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "emulation/control.h"
#include "gnn/kernels/device.cuh"

namespace {

using namespace gnn::emulation;

constexpr int count = 96;

__global__ void add(float* data, float value) {
  data[threadIdx.x] += value;
}

__global__ void multiply(float* data, float factor) {
  data[threadIdx.x] *= factor;
}

__global__ void positions(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<int>(block * 1000 + thread);
}

__global__ void warp_operations(int* out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  int* const mine = out + threadIdx.x * 8;
  mine[0] = __shfl_sync(0xffffffffu, lane, 7);
  mine[1] = __shfl_xor_sync(0xffffffffu, lane, 5);
  mine[2] = __shfl_down_sync(0xffffffffu, lane, 3u, 16);
  mine[3] = __shfl_up_sync(0xffffffffu, lane, 3u);
  mine[4] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 2));
  mine[5] = __any_sync(0xffffffffu, lane == 9) * 2 + __all_sync(0xffffffffu, lane < 31);
  mine[6] = __syncthreads_count(lane < 4);
  mine[7] = __syncthreads_or(threadIdx.x == 40) * 2 + __syncthreads_and(lane < 32);
}

__global__ void atomics(int* total, unsigned* largest, float* sum) {
  atomicAdd(total, 1);
  atomicMax(largest, threadIdx.x + blockIdx.x);
  atomicAdd(sum, 0.5f);
  atomicCAS(total + 1, 0, static_cast<int>(threadIdx.x) + 1);
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, cudaStream_t stream,
                   Arguments... arguments) {
  prepare_launch(kernel);
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

#define ASSERT_CUDA(call) ASSERT_EQ(cudaGetErrorName(call), std::string("cudaSuccess"))

template <class T>
T* allocate(std::size_t elements) {
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, elements * sizeof(T)), cudaSuccess);
  EXPECT_EQ(cudaMemset(data, 0, elements * sizeof(T)), cudaSuccess);
  return static_cast<T*>(data);
}

template <class T>
std::vector<T> download(const T* data, std::size_t elements) {
  std::vector<T> values(elements);
  EXPECT_EQ(cudaMemcpy(values.data(), data, elements * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
  return values;
}

template <class T>
void upload(T* data, const std::vector<T>& values) {
  EXPECT_EQ(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
}

cudaStream_t new_stream(unsigned flags = cudaStreamNonBlocking) {
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, flags), cudaSuccess);
  return stream;
}

/// Nothing stays behind, and no error.
class Emulation : public ::testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
    EXPECT_EQ(take_reports(), expected_reports);
  }
  std::vector<std::string> expected_reports;
};

TEST_F(Emulation, RunsEveryThreadOfEveryBlockOnce) {
  const dim3 grid(3, 2, 2);
  const dim3 block(5, 3, 2);
  int* out = allocate<int>(12 * 30);
  ASSERT_CUDA(launch(positions, grid, block, nullptr, out));
  const std::vector<int> result = download(out, 12 * 30);
  for (int i = 0; i < 12 * 30; ++i) EXPECT_EQ(result[static_cast<std::size_t>(i)], i / 30 * 1000 + i % 30);
}

TEST_F(Emulation, WarpAndBlockOperations) {
  int* out = allocate<int>(64 * 8);
  ASSERT_CUDA(launch(warp_operations, 1, 64, nullptr, out));
  const std::vector<int> result = download(out, 64 * 8);
  for (int thread = 0; thread < 64; ++thread) {
    const int lane = thread % 32;
    const int* mine = result.data() + thread * 8;
    EXPECT_EQ(mine[0], 7);
    EXPECT_EQ(mine[1], lane ^ 5);
    EXPECT_EQ(mine[2], lane % 16 + 3 < 16 ? lane + 3 : lane);
    EXPECT_EQ(mine[3], lane >= 3 ? lane - 3 : lane);
    EXPECT_EQ(static_cast<unsigned>(mine[4]), 0xaaaaaaaau);
    EXPECT_EQ(mine[5], 2);
    EXPECT_EQ(mine[6], 8);
    EXPECT_EQ(mine[7], 3);
  }
}

TEST_F(Emulation, Atomics) {
  int* total = allocate<int>(2);
  auto* largest = allocate<unsigned>(1);
  auto* sum = allocate<float>(1);
  ASSERT_CUDA(launch(atomics, 4, 64, nullptr, total, largest, sum));
  EXPECT_EQ(download(total, 2)[0], 256);
  EXPECT_NE(download(total, 2)[1], 0);
  EXPECT_EQ(download(largest, 1)[0], 66u);
  EXPECT_EQ(download(sum, 1)[0], 128.0f);
}

TEST_F(Emulation, DefaultStreamAndBlockingStreamsWaitForEachOther) {
  auto* data = allocate<float>(count);
  cudaStream_t blocking = new_stream(cudaStreamDefault);
  ASSERT_CUDA(launch(add, 1, count, blocking, data, 1.0f));
  ASSERT_CUDA(launch(multiply, 1, count, nullptr, data, 10.0f));
  ASSERT_CUDA(launch(add, 1, count, blocking, data, 2.0f));
  ASSERT_CUDA(cudaStreamSynchronize(blocking));
  EXPECT_EQ(download(data, count), std::vector<float>(count, 12.0f));
  ASSERT_CUDA(cudaStreamDestroy(blocking));
}

TEST_F(Emulation, EventsOrderStreamsAndMeasureTime) {
  auto* data = allocate<float>(count);
  cudaStream_t a = new_stream();
  cudaStream_t b = new_stream();
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_CUDA(cudaEventCreate(&start));
  ASSERT_CUDA(cudaEventCreate(&end));
  ASSERT_CUDA(cudaEventRecord(start, a));
  ASSERT_CUDA(launch(add, 1, count, a, data, 1.0f));
  ASSERT_CUDA(cudaEventRecord(end, a));
  ASSERT_CUDA(cudaStreamWaitEvent(b, end, 0));
  ASSERT_CUDA(launch(multiply, 1, count, b, data, 5.0f));
  ASSERT_CUDA(cudaStreamSynchronize(b));
  EXPECT_EQ(download(data, count), std::vector<float>(count, 5.0f));
  EXPECT_EQ(cudaEventQuery(end), cudaSuccess);
  float milliseconds = -1;
  ASSERT_CUDA(cudaEventElapsedTime(&milliseconds, start, end));
  EXPECT_GE(milliseconds, 0);
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  cudaStreamDestroy(a);
  cudaStreamDestroy(b);
}

TEST_F(Emulation, PollingAnEventGetsItDone) {
  auto* data = allocate<float>(count);
  cudaStream_t stream = new_stream();
  cudaEvent_t event = nullptr;
  ASSERT_CUDA(cudaEventCreate(&event));
  ASSERT_CUDA(launch(add, 1, count, stream, data, 1.0f));
  ASSERT_CUDA(cudaEventRecord(event, stream));
  int polls = 0;
  while (cudaEventQuery(event) == cudaErrorNotReady) ASSERT_LT(++polls, 100);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "not ready is no error";
  EXPECT_EQ(download(data, count)[0], 1.0f);
  cudaEventDestroy(event);
  cudaStreamDestroy(stream);
}

TEST_F(Emulation, CopiesAndFillsOfRows) {
  auto* data = allocate<unsigned char>(100);
  ASSERT_CUDA(cudaMemset2D(data, 10, 7, 4, 10));
  std::vector<unsigned char> rows(40);
  ASSERT_CUDA(cudaMemcpy2D(rows.data(), 4, data, 10, 4, 10, cudaMemcpyDeviceToHost));
  EXPECT_EQ(rows, std::vector<unsigned char>(40, 7));
  const std::vector<unsigned char> all = download(data, 100);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(all[i], i % 10 < 4 ? 7 : 0);
}

TEST_F(Emulation, PoolsAllocateInStreamOrder) {
  cudaStream_t stream = new_stream();
  cudaMemPool_t pool = nullptr;
  ASSERT_CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
  void* data = nullptr;
  ASSERT_CUDA(cudaMallocFromPoolAsync(&data, count * sizeof(float), pool, stream));
  ASSERT_CUDA(cudaMemsetAsync(data, 0, count * sizeof(float), stream));
  ASSERT_CUDA(launch(add, 1, count, stream, static_cast<float*>(data), 3.0f));
  std::vector<float> result(count);
  ASSERT_CUDA(cudaMemcpyAsync(result.data(), data, count * sizeof(float), cudaMemcpyDeviceToHost, stream));
  ASSERT_CUDA(cudaFreeAsync(data, stream));
  ASSERT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_EQ(result, std::vector<float>(count, 3.0f));
  EXPECT_EQ(live_allocations(), 0u);
  cudaStreamDestroy(stream);
}

TEST_F(Emulation, HostFunctionsRunInTheirStreamsOrder) {
  auto* data = allocate<float>(count);
  cudaStream_t stream = new_stream();
  void* pinned = nullptr;
  ASSERT_CUDA(cudaMallocHost(&pinned, count * sizeof(float)));
  ASSERT_CUDA(launch(add, 1, count, stream, data, 4.0f));
  ASSERT_CUDA(cudaMemcpyAsync(pinned, data, count * sizeof(float), cudaMemcpyDeviceToHost, stream));
  struct Read {
    const float* from;
    float value;
  } read{static_cast<const float*>(pinned), 0};
  ASSERT_CUDA(cudaLaunchHostFunc(
      stream,
      [](void* argument) { static_cast<Read*>(argument)->value = *static_cast<Read*>(argument)->from; },
      &read));
  int polls = 0;
  while (cudaStreamQuery(stream) == cudaErrorNotReady) ASSERT_LT(++polls, 100);
  ASSERT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_EQ(read.value, 4.0f);
  ASSERT_CUDA(cudaFreeHost(pinned));
  cudaStreamDestroy(stream);
}

TEST_F(Emulation, PointersTellWhereTheyPoint) {
  const float on_host = 0;
  void* pinned = nullptr;
  ASSERT_CUDA(cudaMallocHost(&pinned, 8));
  cudaPointerAttributes attributes{};
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, allocate<float>(count) + 5));
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, pinned));
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, &on_host));
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
  ASSERT_CUDA(cudaFreeHost(pinned));
}

TEST_F(Emulation, MemoryRunsOut) {
  std::size_t free = 0;
  std::size_t total = 0;
  ASSERT_CUDA(cudaMemGetInfo(&free, &total));
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, total + 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "an error that does not stick is reported once";
}

TEST_F(Emulation, FaultsStickUntilReset) {
  const float on_host = 1;
  cudaError_t status = launch(add, 1, 1, nullptr, const_cast<float*>(&on_host), 1.0f);
  if (status == cudaSuccess) status = cudaDeviceSynchronize();
  EXPECT_EQ(status, cudaErrorIllegalAddress);
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, 4), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&data, 4), cudaSuccess);
  EXPECT_EQ(take_reports().size(), 1u);
}

TEST_F(Emulation, AttributesAndOccupancy) {
  int value = 0;
  ASSERT_CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlock, 0));
  EXPECT_EQ(value, 48 << 10);
  ASSERT_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&value, add, 256, 0));
  EXPECT_EQ(value, 8);
  ASSERT_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&value, add, 1024, 0));
  EXPECT_EQ(value, 2);
  EXPECT_EQ(cudaFuncSetAttribute(reinterpret_cast<const void*>(add),
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, 1 << 20),
            cudaErrorInvalidValue);
  cudaGetLastError();
}

// Capture.

TEST_F(Emulation, GraphsReplayWhatWasCaptured) {
  auto* data = allocate<float>(count);
  cudaStream_t stream = new_stream();
  ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(launch(add, 1, count, stream, data, 1.0f));
  ASSERT_CUDA(launch(multiply, 1, count, stream, data, 2.0f));
  cudaGraph_t graph = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
  EXPECT_EQ(download(data, count)[0], 0.0f) << "capturing runs nothing";
  std::size_t nodes = 0;
  ASSERT_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT_EQ(nodes, 2u);
  cudaGraphNode_t first[1] = {};
  nodes = 1;
  ASSERT_CUDA(cudaGraphGetNodes(graph, first, &nodes));
  cudaGraphNodeType type{};
  ASSERT_CUDA(cudaGraphNodeGetType(first[0], &type));
  EXPECT_EQ(type, cudaGraphNodeTypeKernel);
  cudaGraphExec_t executable = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&executable, graph, 0));
  ASSERT_CUDA(cudaGraphUpload(executable, stream));
  ASSERT_CUDA(cudaGraphLaunch(executable, stream));
  ASSERT_CUDA(cudaGraphLaunch(executable, stream));
  ASSERT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_EQ(download(data, count), std::vector<float>(count, 6.0f));

  ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(launch(add, 1, count, stream, data, 4.0f));
  ASSERT_CUDA(launch(multiply, 1, count, stream, data, 0.5f));
  cudaGraph_t other = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream, &other));
  cudaGraphExecUpdateResultInfo info{};
  ASSERT_CUDA(cudaGraphExecUpdate(executable, other, &info));
  ASSERT_CUDA(cudaGraphLaunch(executable, stream));
  ASSERT_CUDA(cudaStreamSynchronize(stream));
  EXPECT_EQ(download(data, count), std::vector<float>(count, 5.0f));

  ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(launch(multiply, 1, count, stream, data, 4.0f));
  cudaGraph_t shorter = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream, &shorter));
  EXPECT_EQ(cudaGraphExecUpdate(executable, shorter, &info), cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(info.result, cudaGraphExecUpdateErrorTopologyChanged);
  cudaGetLastError();
  for (cudaGraph_t one : {graph, other, shorter}) cudaGraphDestroy(one);
  cudaGraphExecDestroy(executable);
  cudaStreamDestroy(stream);
}

TEST_F(Emulation, CapturesForkAndJoin) {
  auto* a = allocate<float>(count);
  auto* b = allocate<float>(count);
  cudaStream_t main = new_stream();
  cudaStream_t side = new_stream();
  cudaEvent_t fork = nullptr;
  cudaEvent_t join = nullptr;
  cudaEventCreate(&fork);
  cudaEventCreate(&join);
  cudaGraph_t graph = nullptr;
  for (const bool joined : {true, false}) {
    ASSERT_CUDA(cudaStreamBeginCapture(main, cudaStreamCaptureModeGlobal));
    ASSERT_CUDA(launch(add, 1, count, main, a, 1.0f));
    ASSERT_CUDA(cudaEventRecord(fork, main));
    ASSERT_CUDA(cudaStreamWaitEvent(side, fork, 0));
    ASSERT_CUDA(launch(add, 1, count, side, b, 2.0f));
    ASSERT_CUDA(cudaEventRecord(join, side));
    if (joined) {
      ASSERT_CUDA(cudaStreamWaitEvent(main, join, 0));
    }
    ASSERT_CUDA(launch(multiply, 1, count, main, a, 3.0f));
    EXPECT_EQ(cudaStreamEndCapture(main, &graph), joined ? cudaSuccess : cudaErrorStreamCaptureUnjoined);
    if (!joined) continue;
    cudaGraphExec_t executable = nullptr;
    ASSERT_CUDA(cudaGraphInstantiate(&executable, graph, 0));
    ASSERT_CUDA(cudaGraphLaunch(executable, main));
    ASSERT_CUDA(cudaStreamSynchronize(main));
    EXPECT_EQ(download(a, count)[0], 3.0f);
    EXPECT_EQ(download(b, count)[0], 2.0f);
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  }
  cudaGetLastError();
  expected_reports = {"a capture ends while a stream that joined it was not joined back"};
  cudaStreamDestroy(main);
  cudaStreamDestroy(side);
}

TEST_F(Emulation, CapturesForbidWhatCannotBeCaptured) {
  cudaStream_t stream = new_stream();
  ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, 4), cudaErrorStreamCaptureUnsupported);
  cudaStreamCaptureStatus status{};
  ASSERT_CUDA(cudaStreamIsCapturing(stream, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(graph, nullptr);
  ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  EXPECT_EQ(cudaMalloc(&data, 4), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  cudaGetLastError();
  expected_reports = {"cudaMalloc is not allowed while a stream is captured"};
  cudaStreamDestroy(stream);
}

// Injected failures.

TEST_F(Emulation, InjectedFailuresComeOnce) {
  void* data = nullptr;
  fail_call(Call::allocation, 2, cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&data, 4), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&data, 4), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&data, 4), cudaSuccess);
  cudaGetLastError();
  auto* values = allocate<float>(count);
  take_launches();
  fail_call(Call::launch, 1, cudaErrorLaunchOutOfResources);
  EXPECT_EQ(launch(add, 1, count, nullptr, values, 1.0f), cudaErrorLaunchOutOfResources);
  EXPECT_EQ(launch(add, 1, count, nullptr, values, 1.0f), cudaSuccess);
  EXPECT_EQ(download(values, count)[0], 1.0f);
  const auto launches = take_launches();
  ASSERT_EQ(launches.size(), 1u);
  EXPECT_EQ(launches.begin()->first, "add");
  EXPECT_EQ(launches.begin()->second, 1u);
  cudaGetLastError();
}

}  // namespace
