// cuBLAS: matrix products by OpenBLAS. Matrices are column-major; half types are computed with in float32.

#include <cblas.h>
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "emulation/control.h"
#include "emulation/memory.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/sanitizer.h"
#include "emulation/streams.h"

struct cublasContext {
  int device = 0;
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasMath_t math_mode = CUBLAS_DEFAULT_MATH;
};

namespace gnn::emulation {
namespace {

std::size_t size_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_64F:
      return 8;
    case CUDA_R_32F:
      return 4;
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return 2;
    default:
      return 0;
  }
}

struct Matrix {
  char* data;
  cudaDataType type;
  std::int64_t rows;  // as stored
  std::int64_t columns;
  std::int64_t stride;  // between columns
  std::int64_t step;    // between the matrices of a batch
  bool transposed = false;

  std::size_t extent(std::int64_t batch) const {
    if (rows == 0 || columns == 0 || batch == 0) return 0;
    return static_cast<std::size_t>((batch - 1) * step + (columns - 1) * stride + rows) * size_of(type);
  }
  char* at(std::int64_t index) const { return data + static_cast<std::size_t>(index * step) * size_of(type); }

  /// Tells TSan, which does not see into OpenBLAS.
  void note(std::int64_t index, bool written) const {
    if constexpr (!with_tsan) return;
    for (std::int64_t c = 0; c < columns; ++c) {
      char* column = at(index) + static_cast<std::size_t>(c * stride) * size_of(type);
      const std::size_t bytes = static_cast<std::size_t>(rows) * size_of(type);
      if (written) {
        note_write(column, bytes);
      } else {
        note_read(column, bytes);
      }
    }
  }

  float get(std::int64_t index, std::int64_t row, std::int64_t column) const {
    const char* element = at(index) + static_cast<std::size_t>(column * stride + row) * size_of(type);
    if (type == CUDA_R_16F) return __half2float(*reinterpret_cast<const __half*>(element));
    if (type == CUDA_R_16BF) return __bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(element));
    return *reinterpret_cast<const float*>(element);
  }
  void set(std::int64_t index, std::int64_t row, std::int64_t column, float value) const {
    char* element = at(index) + static_cast<std::size_t>(column * stride + row) * size_of(type);
    if (type == CUDA_R_16F) {
      *reinterpret_cast<__half*>(element) = __float2half(value);
    } else if (type == CUDA_R_16BF) {
      *reinterpret_cast<__nv_bfloat16*>(element) = __float2bfloat16(value);
    } else {
      *reinterpret_cast<float*>(element) = value;
    }
  }
  std::vector<float> to_floats(std::int64_t index) const {
    std::vector<float> result(static_cast<std::size_t>(rows * columns));
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t r = 0; r < rows; ++r)
        result[static_cast<std::size_t>(c * rows + r)] = get(index, r, c);
    }
    return result;
  }
};

CBLAS_TRANSPOSE to_cblas(const Matrix& matrix) {
  return matrix.transposed ? CblasTrans : CblasNoTrans;
}

/// c = alpha a b + beta c
struct Product {
  Matrix a, b, c;
  int m, n, k;
  std::int64_t batch;
  const void* alpha_data;  // on the device, else nullptr
  const void* beta_data;
  double alpha;
  double beta;
  bool scalars_are_double;
  void* workspace;
  std::size_t workspace_bytes;

  std::string problem() const {
    for (const auto& [name, matrix] : {std::pair{"A", &a}, {"B", &b}, {"C", &c}}) {
      const std::string text = range_problem(matrix->data, matrix->extent(batch), true);
      if (!text.empty()) return std::string("matrix ") + name + ": " + text;
    }
    return range_problem(workspace, workspace_bytes, true);
  }

  double scalar(const void* data) const {
    return scalars_are_double ? *static_cast<const double*>(data)
                              : static_cast<double>(*static_cast<const float*>(data));
  }

  cudaError_t run() {
    if (const std::string text = problem(); !text.empty()) {
      report("cuBLAS: " + text);
      return cudaErrorIllegalAddress;
    }
    if (alpha_data != nullptr) {
      alpha = scalar(alpha_data);
      beta = scalar(beta_data);
    }
    // cuBLAS leaves anything in its workspace: two streams that share one are found by TSan, or by wrong
    // results.
    std::memset(workspace, 0xff, std::min<std::size_t>(workspace_bytes, 4096));
    take_time("cuBLAS");
    openblas_set_num_threads(1);
    for (std::int64_t i = 0; i < batch; ++i) {
      a.note(i, false);
      b.note(i, false);
      c.note(i, true);
      multiply(i);
    }
    return cudaSuccess;
  }

  void multiply(std::int64_t i) const {
    const auto to_int = [](std::int64_t value) { return static_cast<int>(value); };
    if (c.type == CUDA_R_64F) {
      cblas_dgemm(CblasColMajor, to_cblas(a), to_cblas(b), m, n, k, alpha,
                  reinterpret_cast<const double*>(a.at(i)), to_int(a.stride),
                  reinterpret_cast<const double*>(b.at(i)), to_int(b.stride), beta,
                  reinterpret_cast<double*>(c.at(i)), to_int(c.stride));
      return;
    }
    const auto scale = static_cast<float>(alpha);
    const auto keep = static_cast<float>(beta);
    if (a.type == CUDA_R_32F && b.type == CUDA_R_32F && c.type == CUDA_R_32F) {
      cblas_sgemm(CblasColMajor, to_cblas(a), to_cblas(b), m, n, k, scale,
                  reinterpret_cast<const float*>(a.at(i)), to_int(a.stride),
                  reinterpret_cast<const float*>(b.at(i)), to_int(b.stride), keep,
                  reinterpret_cast<float*>(c.at(i)), to_int(c.stride));
      return;
    }
    const std::vector<float> left = a.to_floats(i);
    const std::vector<float> right = b.to_floats(i);
    std::vector<float> result(static_cast<std::size_t>(m) * static_cast<std::size_t>(n));
    cblas_sgemm(CblasColMajor, to_cblas(a), to_cblas(b), m, n, k, scale, left.data(), to_int(a.rows),
                right.data(), to_int(b.rows), 0.0f, result.data(), m);
    for (int column = 0; column < n; ++column) {
      for (int row = 0; row < m; ++row) {
        const float old = keep == 0.0f ? 0.0f : keep * c.get(i, row, column);
        c.set(i, row, column,
              result[static_cast<std::size_t>(column) * static_cast<std::size_t>(m) +
                     static_cast<std::size_t>(row)] +
                  old);
      }
    }
  }
};

std::set<int>& math_modes() {
  static auto& modes = *new std::set<int>;
  return modes;
}

bool is_transposed(cublasOperation_t operation) {
  return operation != CUBLAS_OP_N;
}

Matrix operand(const void* data, cudaDataType type, cublasOperation_t operation, std::int64_t rows,
               std::int64_t columns, int stride, std::int64_t step) {
  const bool t = is_transposed(operation);
  return {static_cast<char*>(const_cast<void*>(data)),
          type,
          t ? columns : rows,
          t ? rows : columns,
          stride,
          step,
          t};
}

cublasStatus_t product(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n,
                       int k, const void* alpha, const void* a, cudaDataType type_a, int lda,
                       std::int64_t step_a, const void* b, cudaDataType type_b, int ldb, std::int64_t step_b,
                       const void* beta, void* c, cudaDataType type_c, int ldc, std::int64_t step_c,
                       int batch) {
  const std::lock_guard lock(runtime_mutex());
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || k < 0 || batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (size_of(type_a) == 0 || size_of(type_b) == 0 || size_of(type_c) == 0)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  Product work{operand(a, type_a, op_a, m, k, lda, step_a),
               operand(b, type_b, op_b, k, n, ldb, step_b),
               operand(c, type_c, CUBLAS_OP_N, m, n, ldc, step_c),
               m,
               n,
               k,
               batch,
               nullptr,
               nullptr,
               0,
               0,
               type_c == CUDA_R_64F,
               handle->workspace,
               handle->workspace_bytes};
  for (const Matrix* matrix : {&work.a, &work.b, &work.c}) {
    if (matrix->stride < std::max<std::int64_t>(1, matrix->rows)) return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    work.alpha_data = alpha;
    work.beta_data = beta;
  } else {
    work.alpha = work.scalar(alpha);
    work.beta = work.scalar(beta);
  }
  Stream* const stream = find_launch_stream(handle->stream);
  if (stream == nullptr || stream->device != handle->device) {
    report("a cuBLAS handle of device " + std::to_string(handle->device) +
           " is used while another device is current");
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  count_library_launch("cuBLAS");
  if (type_a == CUDA_R_32F) math_modes().insert(handle->math_mode);
  const cudaError_t status = issue(*stream, {[work]() mutable { return work.run(); }, cudaGraphNodeTypeKernel,
                                             reinterpret_cast<const void*>(&product)});
  return finish(status) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

std::set<int> take_math_modes() {
  const std::lock_guard lock(runtime_mutex());
  return std::exchange(math_modes(), {});
}

}  // namespace gnn::emulation

using namespace gnn::emulation;

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext{.device = current_device()};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  handle->workspace = nullptr;  // back to cuBLAS's own
  handle->workspace_bytes = 0;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* stream) {
  *stream = handle->stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
  handle->pointer_mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle->math_mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  *mode = handle->math_mode;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "the operation completed successfully";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an invalid value was used as a parameter";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the functionality is not supported";
    default:
      return "unknown status";
  }
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                           int n, int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                           const float* beta, float* c, int ldc) {
  return product(handle, op_a, op_b, m, n, k, alpha, a, CUDA_R_32F, lda, 0, b, CUDA_R_32F, ldb, 0, beta, c,
                 CUDA_R_32F, ldc, 0, 1);
}

cublasStatus_t cublasDgemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                           int n, int k, const double* alpha, const double* a, int lda, const double* b,
                           int ldb, const double* beta, double* c, int ldc) {
  return product(handle, op_a, op_b, m, n, k, alpha, a, CUDA_R_64F, lda, 0, b, CUDA_R_64F, ldb, 0, beta, c,
                 CUDA_R_64F, ldc, 0, 1);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k, const float* alpha,
                                         const float* a, int lda, long long step_a, const float* b, int ldb,
                                         long long step_b, const float* beta, float* c, int ldc,
                                         long long step_c, int batch) {
  return product(handle, op_a, op_b, m, n, k, alpha, a, CUDA_R_32F, lda, step_a, b, CUDA_R_32F, ldb, step_b,
                 beta, c, CUDA_R_32F, ldc, step_c, batch);
}

cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k, const double* alpha,
                                         const double* a, int lda, long long step_a, const double* b, int ldb,
                                         long long step_b, const double* beta, double* c, int ldc,
                                         long long step_c, int batch) {
  return product(handle, op_a, op_b, m, n, k, alpha, a, CUDA_R_64F, lda, step_a, b, CUDA_R_64F, ldb, step_b,
                 beta, c, CUDA_R_64F, ldc, step_c, batch);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType type_a, int lda,
                            const void* b, cudaDataType type_b, int ldb, const void* beta, void* c,
                            cudaDataType type_c, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0,
                                    beta, c, type_c, ldc, 0, 1, compute, algorithm);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a,
                                          cublasOperation_t op_b, int m, int n, int k, const void* alpha,
                                          const void* a, cudaDataType type_a, int lda, long long step_a,
                                          const void* b, cudaDataType type_b, int ldb, long long step_b,
                                          const void* beta, void* c, cudaDataType type_c, int ldc,
                                          long long step_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t) {
  const bool wide = type_c == CUDA_R_64F;
  const bool known = compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                     compute == CUBLAS_COMPUTE_32F_PEDANTIC || compute == CUBLAS_COMPUTE_64F;
  if (!known || (compute == CUBLAS_COMPUTE_64F) != wide || (wide && (type_a != type_c || type_b != type_c)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  return product(handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, step_a, b, type_b, ldb, step_b, beta, c,
                 type_c, ldc, step_c, batch);
}
