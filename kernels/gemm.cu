#include "gnn/kernels/gemm.h"

#include <cublas_v2.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gnn/core/context.h"
#include "gnn/core/error.h"
#include "gnn/core/precision.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

void check_cublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw OutOfMemoryError(std::string(call) + ": out of memory");
  throw CudaError(std::string(KernelScope::current()) + ": " + call + ": " + cublasGetStatusString(status));
}

/// This thread's cuBLAS handle for one device.
class CublasHandle {
 public:
  explicit CublasHandle(int index) {
    const CudaDeviceGuard guard(index);
    check_cublas(cublasCreate(&handle_), "cublasCreate");
    int major = 0;
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index),
               "cudaDeviceGetAttribute");
    workspace_bytes_ = (major >= 9 ? 32 : 8) << 20;  // what NVIDIA recommends
  }
  ~CublasHandle() { cublasDestroy(handle_); }
  CublasHandle(const CublasHandle&) = delete;
  CublasHandle& operator=(const CublasHandle&) = delete;

  static CublasHandle& of(Device device) {
    thread_local std::vector<std::unique_ptr<CublasHandle>> handles;
    const auto index = static_cast<std::size_t>(device.index);
    if (handles.size() <= index) handles.resize(index + 1);
    if (handles[index] == nullptr) handles[index] = std::make_unique<CublasHandle>(device.index);
    return *handles[index];
  }

  /// The handle, on `stream`. The workspace is a block of our own allocator, of one size always: cuBLAS then
  /// chooses the same algorithms on every stream, streams never share it, and nothing is allocated behind our
  /// back. cublasSetStream drops the previous one.
  cublasHandle_t on(cudaStream_t stream, Device device, Tensor& workspace) {
    workspace = empty({workspace_bytes_}, {.dtype = DType::uint8, .device = device});
    check_cublas(cublasSetStream(handle_, stream), "cublasSetStream");
    check_cublas(cublasSetWorkspace(handle_, workspace.mutable_raw_data(), workspace.nbytes()),
                 "cublasSetWorkspace");
    const bool tf32 = get_float32_matmul_precision() == "high";
    check_cublas(cublasSetMathMode(handle_, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH),
                 "cublasSetMathMode");
    return handle_;
  }

 private:
  cublasHandle_t handle_ = nullptr;
  std::int64_t workspace_bytes_ = 0;
};

cublasStatus_t gemm(cublasHandle_t handle, cublasOperation_t op_b, cublasOperation_t op_a, int n, int m,
                    int k, const GemmCall<float>& g, int ldb, int lda, int ldc, int batch) {
  if (batch == 1) {
    return cublasSgemm(handle, op_b, op_a, n, m, k, &g.alpha, g.b.data, ldb, g.a.data, lda, &g.beta, g.c,
                       ldc);
  }
  return cublasSgemmStridedBatched(handle, op_b, op_a, n, m, k, &g.alpha, g.b.data, ldb, g.b_step, g.a.data,
                                   lda, g.a_step, &g.beta, g.c, ldc, g.c_step, batch);
}

cublasStatus_t gemm(cublasHandle_t handle, cublasOperation_t op_b, cublasOperation_t op_a, int n, int m,
                    int k, const GemmCall<double>& g, int ldb, int lda, int ldc, int batch) {
  if (batch == 1) {
    return cublasDgemm(handle, op_b, op_a, n, m, k, &g.alpha, g.b.data, ldb, g.a.data, lda, &g.beta, g.c,
                       ldc);
  }
  return cublasDgemmStridedBatched(handle, op_b, op_a, n, m, k, &g.alpha, g.b.data, ldb, g.b_step, g.a.data,
                                   lda, g.a_step, &g.beta, g.c, ldc, g.c_step, batch);
}

int to_int(std::int64_t size) {
  if (size > std::numeric_limits<int>::max()) {
    throw ShapeError("gemm: a dimension of " + std::to_string(size) +
                     " is more than cuBLAS takes (2^31 - 1)");
  }
  return static_cast<int>(size);
}

template <class T>
__global__ void scale_kernel(T* c, std::int64_t rows, std::int64_t columns, std::int64_t stride,
                             std::int64_t per_matrix, std::int64_t step, T beta) {
  for (std::int64_t i = global_thread(); i < rows * columns; i += grid_threads()) {
    const std::int64_t row = i / columns;
    T& value = c[row / per_matrix * step + row % per_matrix * stride + i % columns];
    value = beta == T{0} ? T{0} : beta * value;
  }
}

}  // namespace

template <class T>
void gemm_cuda(const GemmCall<T>& call, Device device) {
  if (call.batch == 0 || call.m == 0 || call.n == 0) return;
  if (call.k == 0) {  // cuBLAS refuses the leading dimension of an empty matrix
    const std::int64_t rows = call.batch * call.m;
    launch(scale_kernel<T>, dim3(elementwise_grid(rows * call.n)), dim3(elementwise_block), 0, device, call.c,
           rows, call.n, call.c_stride, call.m, call.c_step, call.beta);
    return;
  }
  const CudaLaunchScope scope(device);
  Tensor workspace;
  cublasHandle_t handle = CublasHandle::of(device).on(scope.stream(), device, workspace);
  // cuBLAS is column-major, where our row-major matrices are their transposes: c' = op(b)' · op(a)'.
  const auto op = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  check_cublas(gemm(handle, op(call.b.transposed), op(call.a.transposed), to_int(call.n), to_int(call.m),
                    to_int(call.k), call, to_int(call.b.stride), to_int(call.a.stride), to_int(call.c_stride),
                    to_int(call.batch)),
               "cublasGemm");
}

template void gemm_cuda(const GemmCall<float>& call, Device device);
template void gemm_cuda(const GemmCall<double>& call, Device device);

void Gemm::cuda(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options) {
  dispatch_floating(name, c.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    gemm_cuda(make_gemm_call<T>(a, b, c, options), c.device());
  });
}

}  // namespace gnn::kernels
