#pragma once

// Matrix products by cuBLASLt. Not installed.

#include <cublasLt.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gnn/core/context.h"
#include "gnn/core/error.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {

inline void check_cublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw OutOfMemoryError(std::string(call) + ": out of memory");
  throw CudaError(std::string(KernelScope::current()) + ": " + call + ": " + cublasLtGetStatusString(status));
}

/// A matrix as cuBLAS knows it: column-major, `stride` elements from column to column.
struct ColumnMajor {
  std::int64_t rows = 0;  // as stored
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  std::int64_t step = 0;  // elements between the matrices of a batch
  int alignment = 0;      // of its address, in bytes
  bool transposed = false;
  auto operator<=>(const ColumnMajor&) const = default;
};

/// What an algorithm is chosen for: d = alpha · op(a) · op(b) + beta · d, then the epilogue.
struct MatmulProblem {
  cudaDataType type = CUDA_R_32F;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  std::int32_t batch = 1;
  ColumnMajor a, b, d;
  auto operator<=>(const MatmulProblem&) const = default;
};

/// What cuBLAS must be told of an address, coarsely, so that few of them make new problems: 256 bytes, which
/// every block of our allocator has, those of a vector access, or those of an element.
inline int alignment_of(const void* data, std::size_t element) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  return address % 256 == 0 ? 256 : address % 16 == 0 ? 16 : static_cast<int>(element);
}

template <auto destroy>
struct CublasDeleter {
  template <class Handle>
  void operator()(Handle* handle) const {
    destroy(handle);
  }
};
using MatmulDesc = std::unique_ptr<cublasLtMatmulDescOpaque_t, CublasDeleter<cublasLtMatmulDescDestroy>>;
using MatrixLayout =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, CublasDeleter<cublasLtMatrixLayoutDestroy>>;
using MatmulPreference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, CublasDeleter<cublasLtMatmulPreferenceDestroy>>;

/// The descriptors of a problem, and the algorithm that cuBLAS chose for it.
class MatmulPlan {
 public:
  MatmulPlan(cublasLtHandle_t handle, const MatmulProblem& problem, std::size_t most_workspace)
      : a_(layout(problem, problem.a)), b_(layout(problem, problem.b)), d_(layout(problem, problem.d)) {
    cublasLtMatmulDesc_t desc = nullptr;
    check_cublas(cublasLtMatmulDescCreate(&desc, problem.compute, problem.type), "cublasLtMatmulDescCreate");
    desc_.reset(desc);
    set(CUBLASLT_MATMUL_DESC_TRANSA, operation(problem.a));
    set(CUBLASLT_MATMUL_DESC_TRANSB, operation(problem.b));
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, problem.epilogue);
    choose(handle, problem, most_workspace);
  }

  /// False when cuBLAS has no algorithm: not every epilogue exists for every problem.
  bool possible() const { return possible_; }

  /// Multiplies on `stream`; `vector` is the bias that the epilogue reads, if any. Returns false,
  /// and from then on possible() does, when cuBLAS refuses its own algorithm.
  bool run(cublasLtHandle_t handle, const void* alpha, const void* a, const void* b, const void* beta,
           void* d, const void* vector, Device device, cudaStream_t stream) {
    if (vector != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);
    Tensor workspace;  // of our own allocator: streams never share it, and nothing is allocated behind us
    if (workspace_bytes_ > 0)
      workspace = empty({static_cast<std::int64_t>(workspace_bytes_)}, {DType::uint8, device});
    const cublasStatus_t status = cublasLtMatmul(
        handle, desc_.get(), alpha, a, a_.get(), b, b_.get(), beta, d, d_.get(), d, d_.get(), &algorithm_,
        workspace_bytes_ > 0 ? workspace.mutable_raw_data() : nullptr, workspace_bytes_, stream);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) {
      possible_ = false;
      return false;
    }
    check_cublas(status, "cublasLtMatmul");
    return true;
  }

 private:
  static std::int32_t operation(const ColumnMajor& matrix) {
    return matrix.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  }

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check_cublas(cublasLtMatmulDescSetAttribute(desc_.get(), attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  }

  static MatrixLayout layout(const MatmulProblem& problem, const ColumnMajor& matrix) {
    cublasLtMatrixLayout_t handle = nullptr;
    check_cublas(cublasLtMatrixLayoutCreate(&handle, problem.type, static_cast<std::uint64_t>(matrix.rows),
                                            static_cast<std::uint64_t>(matrix.columns), matrix.stride),
                 "cublasLtMatrixLayoutCreate");
    MatrixLayout result(handle);
    const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, const auto& value) {
      check_cublas(cublasLtMatrixLayoutSetAttribute(handle, attribute, &value, sizeof(value)),
                   "cublasLtMatrixLayoutSetAttribute");
    };
    if (problem.batch != 1) {
      set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, problem.batch);
      set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, matrix.step);
    }
    return result;
  }

  void choose(cublasLtHandle_t handle, const MatmulProblem& problem, std::size_t most_workspace) {
    cublasLtMatmulPreference_t created = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&created), "cublasLtMatmulPreferenceCreate");
    const MatmulPreference preference(created);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check_cublas(cublasLtMatmulPreferenceSetAttribute(created, attribute, &value, sizeof(value)),
                   "cublasLtMatmulPreferenceSetAttribute");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(most_workspace));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(problem.a.alignment));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(problem.b.alignment));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(problem.d.alignment));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(problem.d.alignment));
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle, desc_.get(), a_.get(), b_.get(), d_.get(), d_.get(), created, 1, &best, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0)) return;
    check_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
    if (best.state != CUBLAS_STATUS_SUCCESS) return;
    algorithm_ = best.algo;
    possible_ = true;
    workspace_bytes_ = best.workspaceSize;
  }

  MatrixLayout a_, b_, d_;
  MatmulDesc desc_;
  cublasLtMatmulAlgo_t algorithm_{};
  bool possible_ = false;
  std::size_t workspace_bytes_ = 0;
};

/// This thread's cuBLASLt handle for one device, and a plan for each problem that it has met: a problem is
/// looked up, not set up, when it comes again.
class CublasLt {
 public:
  explicit CublasLt(int index) {
    const CudaDeviceGuard guard(index);
    check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");
    int major = 0;
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index),
               "cudaDeviceGetAttribute");
    most_workspace_ = std::size_t{major >= 9 ? 32U : 8U} << 20;  // what NVIDIA recommends
  }
  ~CublasLt() {
    plans_.clear();
    cublasLtDestroy(handle_);
  }
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  static CublasLt& of(Device device) {
    thread_local std::vector<std::unique_ptr<CublasLt>> handles;
    const auto index = static_cast<std::size_t>(device.index);
    if (handles.size() <= index) handles.resize(index + 1);
    if (handles[index] == nullptr) handles[index] = std::make_unique<CublasLt>(device.index);
    return *handles[index];
  }

  cublasLtHandle_t handle() const { return handle_; }

  MatmulPlan& plan(const MatmulProblem& problem) {
    const auto known = plans_.find(problem);
    if (known != plans_.end()) return known->second;
    if (plans_.size() == most_plans) plans_.clear();  // shapes that never come back
    return plans_.try_emplace(problem, handle_, problem, most_workspace_).first->second;
  }

 private:
  static constexpr std::size_t most_plans = 4096;

  cublasLtHandle_t handle_ = nullptr;
  std::size_t most_workspace_ = 0;
  std::map<MatmulProblem, MatmulPlan> plans_;
};

}  // namespace gnn::kernels
