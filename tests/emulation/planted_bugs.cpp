// Deliberately wrong kernels and host sequences, each with its correct twin. `planted_bugs NAME [fixed]` runs
// one and ends with 0 when the result is right, 3 when it is wrong, 4 when CUDA reported an error; a
// sanitizer ends it otherwise. test_planted_bugs.cpp says which mode of the emulator must catch which.

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gnn/kernels/device.cuh"

namespace {

using gnn::kernels::dynamic_shared;

[[noreturn]] void end_with_error(const char* call, cudaError_t status) {
  std::printf("error: %s in %s\n", cudaGetErrorName(status), call);
  std::exit(4);
}

#define CHECK(call)                                           \
  do {                                                        \
    const cudaError_t status = call;                          \
    if (status != cudaSuccess) end_with_error(#call, status); \
  } while (false)

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
            Arguments... arguments) {
  gnn::kernels::prepare_launch(kernel);
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

template <class T = float>
T* allocate(std::size_t count) {
  void* data = nullptr;
  CHECK(cudaMalloc(&data, count * sizeof(T)));
  return static_cast<T*>(data);
}

template <class T = float>
T* pinned(std::size_t count, T value) {
  void* data = nullptr;
  CHECK(cudaMallocHost(&data, count * sizeof(T)));
  for (std::size_t i = 0; i < count; ++i) static_cast<T*>(data)[i] = value;
  return static_cast<T*>(data);
}

template <class T>
T* upload(const std::vector<T>& values) {
  T* data = allocate<T>(values.size());
  CHECK(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return data;
}

template <class T>
std::vector<T> download(const T* data, std::size_t count) {
  std::vector<T> values(count);
  CHECK(cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
  return values;
}

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

constexpr int threads = 64;
bool fixed = false;

// Kernels. `Fixed` is the correct twin.

template <bool Fixed>
__global__ void add_one(const float* x, float* y, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (Fixed ? i < count : i <= count) y[i] = x[i] + 1;
}

template <bool Fixed>
__global__ void static_overrun(float* y) {
  GNN_SHARED(float, values, [threads]);
  const unsigned i = threadIdx.x + (Fixed ? 0 : 1);
  values[i] = 1;
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x == 0 ? i : threadIdx.x];
}

template <bool Fixed, class T>
__global__ void template_overrun(T* y) {
  GNN_SHARED(T, values, [2][threads / 2]);
  T* const flat = &values[0][0];
  flat[threadIdx.x + (Fixed ? 0 : 1)] = T(1);
  __syncthreads();
  y[threadIdx.x] = flat[threadIdx.x == 0 ? (Fixed ? 0 : 1) : threadIdx.x];
}

template <bool Fixed>
__global__ void dynamic_overrun(float* y) {
  auto* const values = dynamic_shared<float>();
  values[threadIdx.x + (Fixed ? 0 : 1)] = 1;
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x == 0 ? (Fixed ? 0 : 1) : threadIdx.x];
}

/// Reverses a block's values: every thread reads what another one wrote.
template <bool Fixed>
__global__ void reverse(const float* x, float* y) {
  GNN_SHARED(float, values, [threads]);
  values[threadIdx.x] = x[threadIdx.x];
  if (Fixed) __syncthreads();
  y[threadIdx.x] = values[threads - 1 - threadIdx.x];
}

/// The upper half reads what the lower half wrote: in order, it is there.
template <bool Fixed>
__global__ void upper_reads(const float* x, float* y) {
  GNN_SHARED(float, values, [threads]);
  values[threadIdx.x] = x[threadIdx.x];
  if (Fixed) __syncthreads();
  y[threadIdx.x] = threadIdx.x < threads / 2 ? x[threadIdx.x] : values[threadIdx.x - threads / 2];
}

/// Shifts values around a ring in steps; without the second barrier a thread writes what its neighbour must
/// still read.
template <bool Fixed>
__global__ void shift(const float* x, float* y) {
  GNN_SHARED(float, values, [threads]);
  values[threadIdx.x] = x[threadIdx.x];
  for (int step = 0; step < 4; ++step) {
    __syncthreads();
    const float neighbour = values[(threadIdx.x + 1) % threads];
    if (Fixed) __syncthreads();
    values[threadIdx.x] = neighbour;
  }
  y[threadIdx.x] = values[threadIdx.x];
}

/// The same within a warp.
template <bool Fixed>
__global__ void swap_lanes(const float* x, float* y) {
  GNN_SHARED(float, values, [threads]);
  values[threadIdx.x] = x[threadIdx.x];
  if (Fixed) __syncwarp();
  y[threadIdx.x] = values[threadIdx.x ^ 1];
}

template <bool Fixed>
__global__ void count_blocks(int* total) {
  if (threadIdx.x != 0) return;
  if (Fixed) {
    atomicAdd(total, 1);
  } else {
    *total += 1;
  }
}

/// Every block writes its number to one address; right when it is the last block's.
template <bool Fixed>
__global__ void write_number(unsigned* last) {
  if (threadIdx.x == 0 && (!Fixed || blockIdx.x == gridDim.x - 1)) *last = blockIdx.x;
}

__global__ void set_value(float* data, float value) {
  data[threadIdx.x] = value;
}

__global__ void copy_kernel(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];
}

struct Holder {
  const float* x;
};
__global__ void copy_held(Holder held, float* y) {
  y[threadIdx.x] = held.x[threadIdx.x];
}

template <bool Fixed>
__global__ void uninitialised_shared(float* y) {
  GNN_SHARED(float, values, [threads]);
  if (Fixed || threadIdx.x % 2 == 0) values[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x];
}

__global__ void load_wide(const float* x, float4* y) {
  y[threadIdx.x] = reinterpret_cast<const float4*>(x)[threadIdx.x];
}

__global__ void square(const int* x, int* y) {
  y[threadIdx.x] = x[threadIdx.x] * x[threadIdx.x];
}

template <bool Fixed>
__global__ void divergent_barrier(float* y) {
  if (Fixed || threadIdx.x < threads / 2) {
    __syncthreads();
  } else {
    __syncthreads();  // another barrier, for other threads
  }
  y[threadIdx.x] = 1;
}

template <bool Fixed>
__global__ void missing_threads(float* y) {
  y[threadIdx.x] = 1;
  if (!Fixed && threadIdx.x == 5) return;
  __syncthreads();
}

template <bool Fixed>
__global__ void shuffle_after_return(float* y) {
  y[threadIdx.x] = 1;
  if (!Fixed && threadIdx.x % 32 >= 16) return;
  y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, y[threadIdx.x], 1);
}

template <bool Fixed>
__global__ void shuffle_outside(float* y) {
  y[threadIdx.x] = 1;
  if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, Fixed ? 3 : 20);
}

template <bool Fixed>
__global__ void big_static(float* y) {
  GNN_SHARED(float, values, [Fixed ? 64 : 13 * 1024]);
  values[threadIdx.x] = 1;
  y[threadIdx.x] = values[threadIdx.x];
}

__global__ void recurse(float* y, int depth) {
  volatile char frame[1024];
  frame[depth % 1024] = 1;
  if (depth > 0) recurse(y, depth - 1);
  y[threadIdx.x] = static_cast<float>(frame[depth % 1024]);
}

// Cases: true when the result is right.

bool all_equal(const float* data, float value) {
  for (const float x : download(data, threads)) {
    if (!(x == value)) return false;
  }
  return true;
}

/// Launches the wrong or the fixed instantiation.
#define RUN(kernel, ...) (fixed ? launch(kernel<true>, __VA_ARGS__) : launch(kernel<false>, __VA_ARGS__))

bool global_out_of_bounds() {
  const float* x = upload(ramp(threads));
  float* y = allocate(threads);
  RUN(add_one, 2, threads, 0, nullptr, x, y, threads);
  return download(y, threads).back() == threads;
}

bool shared_overrun_static() {
  float* y = allocate(threads);
  RUN(static_overrun, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool shared_overrun_template() {
  auto* y = allocate<double>(threads);
  if (fixed) {
    launch(template_overrun<true, double>, 1, threads, 0, nullptr, y);
  } else {
    launch(template_overrun<false, double>, 1, threads, 0, nullptr, y);
  }
  return download(y, threads).back() == 1;
}

bool shared_overrun_dynamic() {
  float* y = allocate(threads);
  RUN(dynamic_overrun, 1, threads, threads * sizeof(float), nullptr, y);
  return all_equal(y, 1);
}

bool missing_barrier_all_read() {
  float* y = allocate(threads);
  RUN(reverse, 1, threads, 0, nullptr, upload(ramp(threads)), y);
  return download(y, threads).front() == threads - 1;
}

bool missing_barrier_upper_read() {
  float* y = allocate(threads);
  RUN(upper_reads, 1, threads, 0, nullptr, upload(ramp(threads)), y);
  const std::vector<float> result = download(y, threads);
  for (std::size_t i = 0; i < threads; ++i) {
    if (!(result[i] == static_cast<float>(i % (threads / 2)))) return false;
  }
  return true;
}

bool missing_second_barrier() {
  float* y = allocate(threads);
  RUN(shift, 1, threads, 0, nullptr, upload(ramp(threads)), y);
  const std::vector<float> result = download(y, threads);
  for (std::size_t i = 0; i < threads; ++i) {
    if (!(result[i] == static_cast<float>((i + 4) % threads))) return false;
  }
  return true;
}

bool missing_syncwarp() {
  float* y = allocate(threads);
  RUN(swap_lanes, 1, threads, 0, nullptr, upload(ramp(threads)), y);
  const std::vector<float> result = download(y, threads);
  for (std::size_t i = 0; i < threads; ++i) {
    if (!(result[i] == static_cast<float>(i ^ 1))) return false;
  }
  return true;
}

bool missing_atomic() {
  int* total = upload(std::vector<int>{0});
  RUN(count_blocks, 16, threads, 0, nullptr, total);
  return download(total, 1).front() == 16;
}

bool blocks_write_one_address() {
  auto* last = upload(std::vector<unsigned>{99});
  RUN(write_number, 8, threads, 0, nullptr, last);
  return download(last, 1).front() == 7;
}

bool missing_stream_synchronize() {
  float* data = allocate(threads);
  float* result = pinned<float>(threads, 0);
  cudaStream_t stream = new_stream();
  launch(set_value, 1, threads, 0, stream, data, 7.0f);
  CHECK(cudaMemcpyAsync(result, data, threads * sizeof(float), cudaMemcpyDeviceToHost, stream));
  if (fixed) CHECK(cudaStreamSynchronize(stream));
  return result[threads - 1] == 7;
}

bool missing_event_wait() {
  float* x = allocate(threads);
  float* y = allocate(threads);
  cudaStream_t producer = new_stream();
  cudaStream_t consumer = new_stream();
  cudaEvent_t event = nullptr;
  CHECK(cudaEventCreate(&event));
  launch(set_value, 1, threads, 0, producer, x, 7.0f);
  CHECK(cudaEventRecord(event, producer));
  if (fixed) CHECK(cudaStreamWaitEvent(consumer, event, 0));
  launch(copy_kernel, 1, threads, 0, consumer, x, y);
  CHECK(cudaStreamSynchronize(consumer));
  return all_equal(y, 7);
}

bool pinned_buffer_reused() {
  float* buffer = pinned<float>(threads, 1);
  float* data = allocate(threads);
  cudaStream_t stream = new_stream();
  CHECK(cudaMemcpyAsync(data, buffer, threads * sizeof(float), cudaMemcpyHostToDevice, stream));
  if (fixed) CHECK(cudaStreamSynchronize(stream));
  for (int i = 0; i < threads; ++i) buffer[i] = 2;
  CHECK(cudaStreamSynchronize(stream));
  return all_equal(data, 1);
}

bool freed_in_flight() {
  float* x = upload(std::vector<float>(threads, 7.0f));
  float* y = allocate(threads);
  cudaStream_t reader = new_stream();
  cudaStream_t owner = new_stream();
  cudaEvent_t event = nullptr;
  CHECK(cudaEventCreate(&event));
  launch(copy_held, 1, threads, 0, reader, Holder{x}, y);
  CHECK(cudaEventRecord(event, reader));
  if (fixed) CHECK(cudaStreamWaitEvent(owner, event, 0));
  CHECK(cudaFreeAsync(x, owner));
  CHECK(cudaStreamSynchronize(owner));
  CHECK(cudaStreamSynchronize(reader));
  return all_equal(y, 7);
}

bool uninitialised_global() {
  float* x = allocate(threads);
  float* y = allocate(threads);
  if (fixed) CHECK(cudaMemset(x, 0, threads * sizeof(float)));
  launch(copy_kernel, 1, threads, 0, nullptr, x, y);
  return all_equal(y, 0);
}

bool uninitialised_shared_memory() {
  float* y = allocate(threads);
  RUN(uninitialised_shared, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool use_after_free() {
  float* x = upload(std::vector<float>(threads, 1.0f));
  float* y = allocate(threads);
  if (!fixed) CHECK(cudaFree(x));
  launch(copy_kernel, 1, threads, 0, nullptr, x, y);
  return all_equal(y, 1);
}

bool use_after_free_in_struct() {
  float* x = upload(std::vector<float>(threads, 1.0f));
  float* y = allocate(threads);
  if (!fixed) CHECK(cudaFree(x));
  launch(copy_held, 1, threads, 0, nullptr, Holder{x}, y);
  return all_equal(y, 1);
}

bool misaligned_float4() {
  const float* x = upload(ramp(5 * threads));
  auto* y = allocate<float4>(threads);
  launch(load_wide, 1, threads, 0, nullptr, fixed ? x + 4 : x + 1, y);
  return download(y, threads).front().x == (fixed ? 4.0f : 1.0f);
}

bool int_overflow() {
  const int* x = upload(std::vector<int>(threads, fixed ? 3 : 50'000));
  auto* y = allocate<int>(threads);
  launch(square, 1, threads, 0, nullptr, x, y);
  return !fixed || download(y, threads).front() == 9;
}

bool host_dereference() {
  float* x = upload(ramp(threads));
  return (fixed ? download(x, 2)[1] : x[1]) == 1;
}

bool host_pointer() {
  const std::vector<float> values = ramp(threads);
  float* y = allocate(threads);
  launch(copy_kernel, 1, threads, 0, nullptr, fixed ? upload(values) : values.data(), y);
  return download(y, threads).back() == threads - 1;
}

bool copy_of_wrong_kind() {
  float* data = allocate(threads);
  const std::vector<float> values = ramp(threads);
  CHECK(cudaMemcpy(data, values.data(), threads * sizeof(float),
                   fixed ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToDevice));
  return download(data, threads).back() == threads - 1;
}

bool copy_past_the_end() {
  float* data = allocate(threads);
  const std::vector<float> values = ramp(threads + 1);
  CHECK(cudaMemcpy(data, values.data(), (threads + (fixed ? 0 : 1)) * sizeof(float), cudaMemcpyHostToDevice));
  return download(data, threads).back() == threads - 1;
}

bool bad_block() {
  float* y = allocate(2048);
  launch(set_value, 1, fixed ? 1024 : 1025, 0, nullptr, y, 1.0f);
  return all_equal(y, 1);
}

bool bad_grid() {
  float* y = allocate(threads);
  launch(set_value, dim3(1, fixed ? 1 : 65536), threads, 0, nullptr, y, 1.0f);
  return all_equal(y, 1);
}

bool bad_shared_size() {
  float* y = allocate(threads);
  launch(dynamic_overrun<true>, 1, threads, fixed ? 48 << 10 : (48 << 10) + 1, nullptr, y);
  return all_equal(y, 1);
}

bool too_much_static_shared() {
  float* y = allocate(threads);
  RUN(big_static, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool divergent_barriers() {
  float* y = allocate(threads);
  RUN(divergent_barrier, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool barrier_without_all() {
  float* y = allocate(threads);
  RUN(missing_threads, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool shuffle_after_lanes_returned() {
  float* y = allocate(threads);
  RUN(shuffle_after_return, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool shuffle_outside_mask() {
  float* y = allocate(threads);
  RUN(shuffle_outside, 1, threads, 0, nullptr, y);
  return all_equal(y, 1);
}

bool stack_overflow() {
  float* y = allocate(threads);
  launch(recurse, 1, threads, 0, nullptr, y, fixed ? 2 : 1000);
  return all_equal(y, 1);
}

bool memory_of_another_device() {
  float* x = upload(std::vector<float>(threads, 1.0f));
  CHECK(cudaSetDevice(1));
  float* y = allocate(threads);
  if (fixed) CHECK(cudaDeviceEnablePeerAccess(0, 0));
  launch(copy_kernel, 1, threads, 0, nullptr, x, y);
  return all_equal(y, 1);
}

bool stream_of_another_device() {
  cudaStream_t stream = new_stream();
  if (!fixed) CHECK(cudaSetDevice(1));
  float* y = allocate(threads);
  launch(set_value, 1, threads, 0, stream, y, 1.0f);
  CHECK(cudaDeviceSynchronize());
  return all_equal(y, 1);
}

bool event_of_another_device() {
  cudaEvent_t event = nullptr;
  CHECK(cudaEventCreate(&event));
  if (!fixed) CHECK(cudaSetDevice(1));
  CHECK(cudaEventRecord(event, new_stream()));
  return true;
}

/// A product on `stream` with a workspace.
void multiply(cublasLtHandle_t handle, cudaStream_t stream, const float* x, float* y, void* workspace) {
  constexpr int size = 8;
  constexpr std::size_t workspace_bytes = 4096;
  const float one = 1;
  const float zero = 0;
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t layout = nullptr;
  cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, size, size, size);
  const cublasStatus_t status = cublasLtMatmul(handle, desc, &one, x, layout, x, layout, &zero, y, layout, y,
                                               layout, nullptr, workspace, workspace_bytes, stream);
  if (status != CUBLAS_STATUS_SUCCESS) end_with_error("cublasLtMatmul", cudaErrorUnknown);
  cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(desc);
}

bool workspace_of_two_streams() {
  cublasLtHandle_t handle = nullptr;
  cublasLtCreate(&handle);
  float* const x = upload(std::vector<float>(threads, 1.0f));
  float* const y[2] = {allocate(threads), allocate(threads)};
  char* const workspace = allocate<char>(8192);
  multiply(handle, new_stream(), x, y[0], workspace);
  multiply(handle, new_stream(), x, y[1], workspace + (fixed ? 4096 : 0));
  CHECK(cudaDeviceSynchronize());
  cublasLtDestroy(handle);
  return true;
}

bool bias_too_short() {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t layout = nullptr;
  cublasLtCreate(&handle);
  cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, 8, 8, 8);
  const auto epilogue = static_cast<std::uint32_t>(CUBLASLT_EPILOGUE_BIAS);
  const float* const bias = upload(std::vector<float>(fixed ? 8 : 7, 1.0f));
  cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue));
  cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias));
  const float one = 1;
  const float zero = 0;
  float* const x = upload(std::vector<float>(64, 1.0f));
  float* const y = allocate(64);
  cublasLtMatmul(handle, desc, &one, x, layout, x, layout, &zero, y, layout, y, layout, nullptr, nullptr, 0,
                 nullptr);
  CHECK(cudaDeviceSynchronize());
  cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(desc);
  cublasLtDestroy(handle);
  return true;
}

bool double_free() {
  float* x = allocate(threads);
  CHECK(cudaFree(x));
  if (!fixed) CHECK(cudaFree(x));
  return true;
}

const std::map<std::string, bool (*)()> cases = {
#define CASE(name) \
  { #name, name }
    CASE(global_out_of_bounds),
    CASE(shared_overrun_static),
    CASE(shared_overrun_template),
    CASE(shared_overrun_dynamic),
    CASE(missing_barrier_all_read),
    CASE(missing_barrier_upper_read),
    CASE(missing_second_barrier),
    CASE(missing_syncwarp),
    CASE(missing_atomic),
    CASE(blocks_write_one_address),
    CASE(missing_stream_synchronize),
    CASE(missing_event_wait),
    CASE(pinned_buffer_reused),
    CASE(freed_in_flight),
    CASE(uninitialised_global),
    CASE(uninitialised_shared_memory),
    CASE(use_after_free),
    CASE(use_after_free_in_struct),
    CASE(misaligned_float4),
    CASE(int_overflow),
    CASE(host_dereference),
    CASE(host_pointer),
    CASE(copy_of_wrong_kind),
    CASE(copy_past_the_end),
    CASE(bad_block),
    CASE(bad_grid),
    CASE(bad_shared_size),
    CASE(too_much_static_shared),
    CASE(divergent_barriers),
    CASE(barrier_without_all),
    CASE(shuffle_after_lanes_returned),
    CASE(shuffle_outside_mask),
    CASE(stack_overflow),
    CASE(memory_of_another_device),
    CASE(stream_of_another_device),
    CASE(event_of_another_device),
    CASE(double_free),
    CASE(workspace_of_two_streams),
    CASE(bias_too_short),
#undef CASE
};

}  // namespace

int main(int argc, char** argv) {
  const auto found = cases.find(argc > 1 ? argv[1] : "");
  if (found == cases.end()) {
    for (const auto& [name, run] : cases) std::printf("%s\n", name.c_str());
    return argc > 1 ? 2 : 0;
  }
  fixed = argc > 2 && std::string(argv[2]) == "fixed";
  const bool right = found->second();
  std::printf("result: %s\n", right ? "right" : "wrong");
  return right ? 0 : 3;
}
