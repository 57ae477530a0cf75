#include "gnn/kernels/gemm.h"

#include <limits>
#include <string>

#include "gnn/core/precision.h"
#include "gnn/kernels/cublas_lt.cuh"
#include "gnn/kernels/gemm_call.h"

namespace gnn::kernels {
namespace {

std::int32_t batch_count(std::int64_t batch) {
  if (batch > std::numeric_limits<std::int32_t>::max()) {
    throw ShapeError("gemm: a batch of " + std::to_string(batch) +
                     " products is more than cuBLAS takes (2^31 - 1)");
  }
  return static_cast<std::int32_t>(batch);
}

/// cuBLAS is column-major, where our row-major matrices are their transposes: c' = op(b)' · op(a)', so its
/// first matrix is our right one, and a bias for c's columns is one for the rows of its result. `vector` is
/// what the epilogue reads or writes besides the matrices, or nullptr.
template <class T>
MatmulProblem problem_of(const GemmCall<T>& call, cublasLtEpilogue_t epilogue, const T* vector) {
  const auto column_major = [](const Matrix<T>& matrix, std::int64_t rows, std::int64_t columns,
                               std::int64_t step) {
    ColumnMajor result{columns,          rows, matrix.stride, step, alignment_of(matrix.data, sizeof(T)),
                       matrix.transposed};
    if (matrix.transposed) std::swap(result.rows, result.columns);
    return result;
  };
  MatmulProblem problem;
  if constexpr (std::is_same_v<T, double>) {
    problem.type = CUDA_R_64F;
    problem.compute = CUBLAS_COMPUTE_64F;
  } else if (get_float32_matmul_precision() == "high") {
    problem.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
  }
  problem.epilogue = epilogue;
  problem.batch = batch_count(call.batch);
  problem.a = column_major(call.b, call.k, call.n, call.b_step);
  problem.b = column_major(call.a, call.m, call.k, call.a_step);
  problem.d = column_major({call.c, call.c_stride, false}, call.m, call.n, call.c_step);
  // Nothing else tells cuBLAS how the vector is aligned.
  if (vector != nullptr) problem.d.alignment = std::min(problem.d.alignment, alignment_of(vector, sizeof(T)));
  return problem;
}

/// False when cuBLAS has nothing that does the epilogue as well; then nothing was done.
template <class T>
bool multiply(const GemmCall<T>& call, cublasLtEpilogue_t epilogue, const T* vector, Device device) {
  const CudaLaunchScope scope(device);
  CublasLt& cublas = CublasLt::of(device);
  MatmulPlan& plan = cublas.plan(problem_of(call, epilogue, vector));
  return plan.possible() && plan.run(cublas.handle(), &call.alpha, call.b.data, call.a.data, &call.beta,
                                     call.c, vector, device, scope.stream());
}

/// c = beta · c + bias, for a call without a product in it or after one that cuBLAS did alone.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    finish_kernel(T* c, std::int64_t rows, std::int64_t columns, std::int64_t stride, std::int64_t per_matrix,
                  std::int64_t step, T beta, const T* bias) {
  for (std::int64_t i = global_thread(); i < rows * columns; i += grid_threads()) {
    const std::int64_t row = i / columns;
    T& target = c[row / per_matrix * step + row % per_matrix * stride + i % columns];
    const T value = beta == T{0} ? T{0} : beta * target;
    target = bias == nullptr ? value : value + bias[i % columns];
  }
}

template <class T>
void finish(const GemmCall<T>& call, T beta, Device device) {
  const std::int64_t rows = call.batch * call.m;
  launch(finish_kernel<T>, elementwise_grid(rows * call.n), elementwise_block, 0, device, call.c, rows,
         call.n, call.c_stride, call.m, call.c_step, beta, call.column_bias);
}

template <class T>
bool is_empty(const GemmCall<T>& call) {
  return call.batch == 0 || call.m == 0 || call.n == 0;
}

}  // namespace

template <class T>
void gemm_cuda(const GemmCall<T>& call, Device device) {
  if (is_empty(call)) return;
  if (call.k == 0) return finish(call, call.beta, device);  // cuBLAS takes no empty matrix
  if (call.column_bias != nullptr && multiply(call, CUBLASLT_EPILOGUE_BIAS, call.column_bias, device)) return;
  if (multiply<T>(call, CUBLASLT_EPILOGUE_DEFAULT, nullptr, device)) {
    if (call.column_bias != nullptr) finish(call, T{1}, device);
    return;
  }
  throw CudaError(std::string(KernelScope::current()) + ": cuBLAS has no algorithm for a product of " +
                  std::to_string(call.m) + " x " + std::to_string(call.k) + " and " + std::to_string(call.k) +
                  " x " + std::to_string(call.n) + " matrices on " + device.to_string());
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
