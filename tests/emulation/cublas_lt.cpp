// cuBLASLt's functions: arguments and the choice of algorithms are checked here; matmul.cpp computes.

#include <cublasLt.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "emulation/control.h"
#include "emulation/cublas_objects.h"
#include "emulation/matmul.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/streams.h"

namespace gnn::emulation {
namespace {

std::set<int>& compute_types() {
  static auto& types = *new std::set<int>;
  return types;
}
CublasRefusal refusal = CublasRefusal::nothing;

template <class Field>
cublasStatus_t put(Field& field, const void* value, std::size_t bytes) {
  if (value == nullptr || bytes != sizeof(Field)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&field, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

Matrix matrix_of(const void* data, const Layout& layout, std::int32_t operation = CUBLAS_OP_N) {
  return {static_cast<char*>(const_cast<void*>(data)),
          layout.type,
          static_cast<std::int64_t>(layout.rows),
          static_cast<std::int64_t>(layout.columns),
          layout.stride,
          layout.step,
          operation != CUBLAS_OP_N};
}

/// Why the algorithm cannot be used like this; empty when it can.
std::string algorithm_problem(const cublasLtMatmulAlgo_t& chosen, const Problem& problem,
                              const void* const data[4], std::size_t workspace_bytes) {
  Algorithm algorithm;
  std::memcpy(static_cast<void*>(&algorithm), &chosen, sizeof(algorithm));
  if (algorithm.magic != Algorithm::mark) return "an algorithm that no heuristic gave";
  if (algorithm.problem != problem.fingerprint()) return "an algorithm that was chosen for another problem";
  for (int i = 0; i < 4; ++i) {
    if (reinterpret_cast<std::uintptr_t>(data[i]) % algorithm.alignment[i] == 0) continue;
    return std::string("matrix ") + "ABCD"[i] + " is not aligned to " +
           std::to_string(algorithm.alignment[i]) + " bytes, as the algorithm was told";
  }
  if (workspace_bytes < algorithm.workspace)
    return "a workspace of " + std::to_string(workspace_bytes) + " bytes for an algorithm that needs " +
           std::to_string(algorithm.workspace);
  return {};
}

}  // namespace

std::set<int> take_compute_types() {
  const std::lock_guard lock(runtime_mutex());
  return std::exchange(compute_types(), {});
}

void refuse_in_cublas(CublasRefusal what) {
  const std::lock_guard lock(runtime_mutex());
  refusal = what;
}

}  // namespace gnn::emulation

using namespace gnn::emulation;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  const std::lock_guard lock(runtime_mutex());
  if (sticky_error() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = handles().add({current_device()});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  const std::lock_guard lock(runtime_mutex());
  return handles().remove(handle);
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
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

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  const std::lock_guard lock(runtime_mutex());
  *desc = descriptions().add({compute, scale});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  const std::lock_guard lock(runtime_mutex());
  return descriptions().remove(desc);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  Description* const x = descriptions().find(desc);
  if (x == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return put(x->pointer_mode, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return put(x->operation_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return put(x->operation_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return put(x->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return put(x->vector, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t stride) {
  const std::lock_guard lock(runtime_mutex());
  *layout = layouts().add({type, rows, columns, stride});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  const std::lock_guard lock(runtime_mutex());
  return layouts().remove(layout);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  Layout* const x = layouts().find(layout);
  if (x == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return put(x->batch, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return put(x->step, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  const std::lock_guard lock(runtime_mutex());
  *preference = preferences().add({});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  const std::lock_guard lock(runtime_mutex());
  return preferences().remove(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  Preference* const x = preferences().find(preference);
  if (x == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return put(x->most_workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return put(x->alignment_a, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return put(x->alignment_b, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return put(x->alignment_c, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return put(x->alignment_d, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  const std::lock_guard lock(runtime_mutex());
  *found = 0;
  const Problem problem = find_problem(desc, a, b, c, d);
  const Preference* const wishes = preferences().find(preference);
  if (handles().find(handle) == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!problem.exists() || wishes == nullptr || requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
  if (const cublasStatus_t status = problem.check(); status != CUBLAS_STATUS_SUCCESS) return status;
  const bool plain = problem.description->epilogue == CUBLASLT_EPILOGUE_DEFAULT;
  if (!plain && refusal == CublasRefusal::epilogues_by_heuristic) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (refusal == CublasRefusal::products) return CUBLAS_STATUS_SUCCESS;  // *found = 0 says so as well
  Algorithm algorithm;
  algorithm.problem = problem.fingerprint();
  const std::uint32_t alignment[] = {wishes->alignment_a, wishes->alignment_b, wishes->alignment_c,
                                     wishes->alignment_d};
  std::copy(std::begin(alignment), std::end(alignment), algorithm.alignment);
  // Long sums are split, and their parts put into a workspace.
  constexpr std::uint64_t parts_bytes = 65536;
  const std::uint64_t depth =
      problem.description->operation_a == CUBLAS_OP_N ? problem.a->columns : problem.a->rows;
  if (depth >= 256 && wishes->most_workspace >= parts_bytes) algorithm.workspace = parts_bytes;
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof(algorithm));
  results[0].workspaceSize = algorithm.workspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t layout_a, const void* b,
                              cublasLtMatrixLayout_t layout_b, const void* beta, const void* c,
                              cublasLtMatrixLayout_t layout_c, void* d, cublasLtMatrixLayout_t layout_d,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream_handle) {
  const std::lock_guard lock(runtime_mutex());
  const cublasLtContext* const context = handles().find(handle);
  if (context == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const Problem problem = find_problem(desc, layout_a, layout_b, layout_c, layout_d);
  if (!problem.exists() || reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (const cublasStatus_t status = problem.check(); status != CUBLAS_STATUS_SUCCESS) return status;
  const Description& description = *problem.description;
  if (description.epilogue != CUBLASLT_EPILOGUE_DEFAULT && refusal == CublasRefusal::epilogues_by_matmul)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const void* const data[4] = {a, b, c, d};
  if (algorithm != nullptr) {
    const std::string text = algorithm_problem(*algorithm, problem, data, workspace_bytes);
    if (!text.empty()) {
      report("cuBLAS: " + text);
      return CUBLAS_STATUS_INVALID_VALUE;
    }
  }
  Matmul work{matrix_of(a, *problem.a, description.operation_a),
              matrix_of(b, *problem.b, description.operation_b),
              matrix_of(c, *problem.c),
              matrix_of(d, *problem.d),
              static_cast<std::int64_t>(problem.d->rows),
              static_cast<std::int64_t>(problem.d->columns),
              static_cast<std::int64_t>(description.operation_a == CUBLAS_OP_N ? problem.a->columns
                                                                               : problem.a->rows),
              problem.d->batch,
              description.scale,
              nullptr,
              nullptr,
              0,
              0,
              static_cast<cublasLtEpilogue_t>(description.epilogue),
              static_cast<char*>(description.vector),
              workspace,
              workspace_bytes};
  if (work.reads_vector() && work.vector == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (description.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE) {
    work.alpha_data = alpha;
    work.beta_data = beta;
  } else {
    work.alpha = read_scalar(alpha, work.scale);
    work.beta = read_scalar(beta, work.scale);
  }
  Stream* const stream = find_launch_stream(stream_handle);
  if (stream == nullptr || stream->device != context->device) {
    report("a cuBLAS handle of device " + std::to_string(context->device) +
           " is used while another device is current");
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  count_library_launch("cuBLAS");
  if (problem.a->type == CUDA_R_32F) compute_types().insert(description.compute);
  const cudaError_t status = issue(*stream, {[work]() mutable { return work.run(); }, cudaGraphNodeTypeKernel,
                                             reinterpret_cast<const void*>(&cublasLtMatmul)});
  return finish(status) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
