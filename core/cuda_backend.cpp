#include <cuda_profiler_api.h>
#include <cuda_runtime_api.h>

#include <cstdio>
#include <string>

#include "gnn/core/backend.h"
#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/core/cuda_check.h"

namespace gnn {

void throw_cuda_error(cudaError_t status, const char* call) {
  const std::string kernel = KernelScope::current();
  const std::string where = kernel.empty() ? "" : fmt::format(" in kernel {}", kernel);
  cudaGetLastError();  // clears an error that is not sticky, so that the next call does not report it again
  if (status == cudaErrorMemoryAllocation) {
    fail<OutOfMemoryError>("{}{} failed: {} ({})", call, where, cudaGetErrorString(status),
                           cudaGetErrorName(status));
  }
  if (status >= cudaErrorStreamCaptureUnsupported && status <= cudaErrorStreamCaptureWrongThread) {
    fail<CaptureError>("{}{} cannot be part of a captured step: {} ({})", call, where,
                       cudaGetErrorString(status), cudaGetErrorName(status));
  }
  fail<CudaError>("{}{} failed: {} ({})", call, where, cudaGetErrorString(status), cudaGetErrorName(status));
}

namespace {

/// True where there is nothing to switch: the only device is always the current one.
bool has_one_device() {
  static const bool result = [] {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess) cudaGetLastError();
    return status == cudaSuccess && devices == 1;
  }();
  return result;
}

}  // namespace

CudaDeviceGuard::CudaDeviceGuard(int index) {
  if (has_one_device()) return;
  int current = 0;
  check_cuda(cudaGetDevice(&current), "cudaGetDevice");
  if (current == index) return;
  check_cuda(cudaSetDevice(index), "cudaSetDevice");
  previous_ = current;
}

CudaDeviceGuard::~CudaDeviceGuard() {
  if (previous_ >= 0) cudaSetDevice(previous_);
}

namespace {

struct Availability {
  int devices = 0;
  std::string reason;
};

Availability probe() {
  int driver = 0;
  int runtime = 0;
  int devices = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0) {
    cudaGetLastError();
    if (driver == 0) return {0, "no NVIDIA driver is installed (or no GPU); install one, or use the CPU"};
    if (status == cudaErrorInsufficientDriver) {
      return {0,
              fmt::format(
                  "the NVIDIA driver supports CUDA {}.{}, but libgnn was built with CUDA {}.{}; update the "
                  "driver, or rebuild with an older toolkit",
                  driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10)};
    }
    if (status == cudaSuccess || status == cudaErrorNoDevice) {
      return {0, "the driver found no GPU (is CUDA_VISIBLE_DEVICES set to hide it?)"};
    }
    return {0, fmt::format("CUDA reports: {} ({})", cudaGetErrorString(status), cudaGetErrorName(status))};
  }
  for (int index = 0; index < devices; ++index) {
    if (has_device_code(index)) continue;
    cudaGetLastError();
    int major = 0;
    int minor = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
    return {0, fmt::format("libgnn has no device code for GPU {} (compute capability {}.{}); rebuild with "
                           "-DCMAKE_CUDA_ARCHITECTURES={}{}",
                           index, major, minor, major, minor)};
  }
  return {devices, ""};
}

const Availability& availability() {
  static const Availability result = probe();
  return result;
}

cudaStream_t stream_of(void* native) {
  return static_cast<cudaStream_t>(native);
}

cudaEvent_t event_of(void* event) {
  return static_cast<cudaEvent_t>(event);
}

class CudaBackend final : public Backend {
 public:
  void* allocate(int index, std::size_t bytes) override {
    const CudaDeviceGuard guard(index);
    // Also while this thread captures: the memory is there before the graph is.
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    check_cuda(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
    void* data = nullptr;
    const cudaError_t status = cudaMalloc(&data, bytes);
    cudaThreadExchangeStreamCaptureMode(&mode);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check_cuda(status, "cudaMalloc");
    return data;
  }
  void deallocate(int index, void* data) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaFree(data), "cudaFree");
  }

  void copy(int index, void* target, const void* source, std::size_t bytes, void* native) override {
    async_copy(index, target, source, bytes, cudaMemcpyDeviceToDevice, native);
  }
  void copy_from_host(int index, void* target, const void* source, std::size_t bytes, void* native) override {
    async_copy(index, target, source, bytes, cudaMemcpyHostToDevice, native);
  }
  void copy_to_host(int index, void* target, const void* source, std::size_t bytes, void* native) override {
    const CudaDeviceGuard guard(index);  // the default stream to wait for is the current device's
    async_copy(index, target, source, bytes, cudaMemcpyDeviceToHost, native);
    check_cuda(cudaStreamSynchronize(stream_of(native)), "cudaStreamSynchronize");
  }
  void copy_peer(int target_index, void* target, int index, const void* source, std::size_t bytes,
                 void* native) override {
    const CudaDeviceGuard guard(target_index);
    check_cuda(cudaMemcpyPeerAsync(target, target_index, source, index, bytes, stream_of(native)),
               "cudaMemcpyPeerAsync");
  }
  void fill_bytes(int index, void* target, int value, std::size_t bytes, void* native) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaMemsetAsync(target, value, bytes, stream_of(native)), "cudaMemsetAsync");
  }

  void* create_stream(int index) override {
    const CudaDeviceGuard guard(index);
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return stream;
  }
  void destroy_stream(int, void* native) override { cudaStreamDestroy(stream_of(native)); }
  void synchronize_stream(int index, void* native) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaStreamSynchronize(stream_of(native)), "cudaStreamSynchronize");
  }
  void synchronize(int index) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }

  void* create_event(int index) override {
    const CudaDeviceGuard guard(index);
    cudaEvent_t event = nullptr;
    check_cuda(cudaEventCreate(&event), "cudaEventCreate");
    return event;
  }
  void destroy_event(int, void* event) override { cudaEventDestroy(event_of(event)); }
  void record_event(int index, void* event, void* native) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaEventRecord(event_of(event), stream_of(native)), "cudaEventRecord");
  }
  void wait_event(int index, void* event, void* native) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaStreamWaitEvent(stream_of(native), event_of(event), 0), "cudaStreamWaitEvent");
  }
  void synchronize_event(int index, void* event) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaEventSynchronize(event_of(event)), "cudaEventSynchronize");
  }
  bool event_done(int index, void* event) override {
    const CudaDeviceGuard guard(index);
    const cudaError_t status = cudaEventQuery(event_of(event));
    if (status == cudaErrorNotReady) {
      cudaGetLastError();
      return false;
    }
    check_cuda(status, "cudaEventQuery");
    return true;
  }
  double milliseconds_between(int index, void* start, void* end) override {
    const CudaDeviceGuard guard(index);
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, event_of(start), event_of(end)), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds);
  }

  void begin_capture(int index, void* native) override {
    const CudaDeviceGuard guard(index);
    // Thread-local: other threads may go on allocating and waiting.
    check_cuda(cudaStreamBeginCapture(stream_of(native), cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCapture");
  }
  void* end_capture(int index, void* native) override {
    const CudaDeviceGuard guard(index);
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamEndCapture(stream_of(native), &graph), "cudaStreamEndCapture");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(status, "cudaGraphInstantiate");
    return executable;
  }
  void abandon_capture(int index, void* native) override {
    const CudaDeviceGuard guard(index);
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream_of(native), &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
  }
  void launch_graph(int index, void* graph, void* native) override {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(native)), "cudaGraphLaunch");
  }
  void destroy_graph(int, void* graph) override { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

  void* allocate_pinned(std::size_t bytes) override {
    void* data = nullptr;
    const cudaError_t status = cudaMallocHost(&data, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check_cuda(status, "cudaMallocHost");
    return data;
  }
  void deallocate_pinned(void* data) override { cudaFreeHost(data); }

 private:
  static void async_copy(int index, void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                         void* native) {
    const CudaDeviceGuard guard(index);
    check_cuda(cudaMemcpyAsync(target, source, bytes, kind, stream_of(native)), "cudaMemcpyAsync");
  }
};

}  // namespace

Backend& cuda_backend() {
  static auto& instance = *new CudaBackend;  // outlives static tensors
  return instance;
}

namespace cuda {

bool is_available() {
  return availability().devices > 0;
}

std::string unavailable_reason() {
  return availability().reason;
}

int device_count() {
  return availability().devices;
}

std::string device_name(int index) {
  check<DeviceError>(is_available(), "device_name: device cuda:{} cannot be used: {}", index,
                     unavailable_reason());
  check<DeviceError>(index >= 0 && index < device_count(), "device_name: cuda:{} does not exist", index);
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return fmt::format("{} (sm_{}{})", properties.name, properties.major, properties.minor);
}

void profiler_start() {
  if (is_available()) check_cuda(cudaProfilerStart(), "cudaProfilerStart");
}

void profiler_stop() {
  if (is_available()) check_cuda(cudaProfilerStop(), "cudaProfilerStop");
}

}  // namespace cuda
}  // namespace gnn
