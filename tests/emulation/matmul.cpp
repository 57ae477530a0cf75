#include "emulation/matmul.h"

#include <cblas.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "emulation/memory.h"
#include "emulation/report.h"
#include "emulation/sanitizer.h"

namespace gnn::emulation {
namespace {

/// Tells TSan, which does not see into OpenBLAS.
void note(const Matrix& matrix, std::int64_t index, bool written) {
  if constexpr (!with_tsan) return;
  for (std::int64_t c = 0; c < matrix.columns; ++c) {
    char* column = matrix.at(index) + static_cast<std::size_t>(c * matrix.stride) * size_of(matrix.type);
    const std::size_t bytes = static_cast<std::size_t>(matrix.rows) * size_of(matrix.type);
    if (written) {
      note_write(column, bytes);
    } else {
      note_read(column, bytes);
    }
  }
}

CBLAS_TRANSPOSE to_cblas(const Matrix& matrix) {
  return matrix.transposed ? CblasTrans : CblasNoTrans;
}

std::vector<float> to_floats(const Matrix& matrix, std::int64_t index) {
  std::vector<float> result;
  for (std::int64_t c = 0; c < matrix.columns; ++c) {
    for (std::int64_t r = 0; r < matrix.rows; ++r)
      result.push_back(static_cast<float>(matrix.get(index, r, c)));
  }
  return result;
}

}  // namespace

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

double read_scalar(const void* data, cudaDataType type) {
  return type == CUDA_R_64F ? *static_cast<const double*>(data)
                            : static_cast<double>(*static_cast<const float*>(data));
}

std::size_t Matrix::extent(std::int64_t batch) const {
  if (rows == 0 || columns == 0 || batch == 0) return 0;
  return static_cast<std::size_t>((batch - 1) * step + (columns - 1) * stride + rows) * size_of(type);
}

double Matrix::get(std::int64_t index, std::int64_t row, std::int64_t column) const {
  const char* element = at(index) + static_cast<std::size_t>(column * stride + row) * size_of(type);
  switch (type) {
    case CUDA_R_64F:
      return *reinterpret_cast<const double*>(element);
    case CUDA_R_16F:
      return static_cast<double>(__half2float(*reinterpret_cast<const __half*>(element)));
    case CUDA_R_16BF:
      return static_cast<double>(__bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(element)));
    default:
      return static_cast<double>(*reinterpret_cast<const float*>(element));
  }
}

void Matrix::set(std::int64_t index, std::int64_t row, std::int64_t column, double value) const {
  char* element = at(index) + static_cast<std::size_t>(column * stride + row) * size_of(type);
  switch (type) {
    case CUDA_R_64F:
      *reinterpret_cast<double*>(element) = value;
      break;
    case CUDA_R_16F:
      *reinterpret_cast<__half*>(element) = __float2half(static_cast<float>(value));
      break;
    case CUDA_R_16BF:
      *reinterpret_cast<__nv_bfloat16*>(element) = __float2bfloat16(static_cast<float>(value));
      break;
    default:
      *reinterpret_cast<float*>(element) = static_cast<float>(value);
  }
}

bool Matmul::reads_vector() const {
  return epilogue == CUBLASLT_EPILOGUE_BIAS;
}

/// The vector as a matrix of one column.
Matrix Matmul::vector_matrix() const {
  return {vector, d.type, m, 1, m, 0};
}

std::string Matmul::problem() const {
  for (const auto& [name, matrix] : {std::pair{"A", &a}, {"B", &b}, {"C", &c}, {"D", &d}}) {
    const std::string text = range_problem(matrix->data, matrix->extent(batch), true);
    if (!text.empty()) return std::string("matrix ") + name + ": " + text;
  }
  if (reads_vector()) {
    const std::string text = range_problem(vector, vector_matrix().extent(1), true);
    if (!text.empty()) return "bias: " + text;
  }
  const std::string text = range_problem(workspace, workspace_bytes, true);
  return text.empty() ? text : "workspace: " + text;
}

cudaError_t Matmul::run() {
  if (const std::string text = problem(); !text.empty()) {
    report("cuBLAS: " + text);
    return cudaErrorIllegalAddress;
  }
  if (alpha_data != nullptr) {
    alpha = read_scalar(alpha_data, scale);
    beta = read_scalar(beta_data, scale);
  }
  // cuBLAS leaves anything in its workspace: two streams that share one are found by TSan, or by wrong
  // results.
  if (workspace_bytes > 0) {
    const std::size_t bytes = std::min<std::size_t>(workspace_bytes, 4096);
    note_write(workspace, bytes);
    std::memset(workspace, 0xff, bytes);
  }
  take_time("cuBLAS");
  openblas_set_num_threads(1);
  for (std::int64_t i = 0; i < batch; ++i) {
    note(a, i, false);
    note(b, i, false);
    if (beta != 0) note(c, i, false);
    note(d, i, true);
    multiply(i);
    finish(i);
  }
  return cudaSuccess;
}

void Matmul::multiply(std::int64_t i) const {
  const auto to_int = [](std::int64_t value) { return static_cast<int>(value); };
  if (beta != 0 && c.data != d.data) {
    for (std::int64_t column = 0; column < n; ++column) {
      for (std::int64_t row = 0; row < m; ++row) d.set(i, row, column, c.get(i, row, column));
    }
  }
  if (d.type == CUDA_R_64F) {
    cblas_dgemm(CblasColMajor, to_cblas(a), to_cblas(b), to_int(m), to_int(n), to_int(k), alpha,
                reinterpret_cast<const double*>(a.at(i)), to_int(a.stride),
                reinterpret_cast<const double*>(b.at(i)), to_int(b.stride), beta,
                reinterpret_cast<double*>(d.at(i)), to_int(d.stride));
    return;
  }
  if (a.type == CUDA_R_32F && b.type == CUDA_R_32F && d.type == CUDA_R_32F) {
    cblas_sgemm(CblasColMajor, to_cblas(a), to_cblas(b), to_int(m), to_int(n), to_int(k),
                static_cast<float>(alpha), reinterpret_cast<const float*>(a.at(i)), to_int(a.stride),
                reinterpret_cast<const float*>(b.at(i)), to_int(b.stride), static_cast<float>(beta),
                reinterpret_cast<float*>(d.at(i)), to_int(d.stride));
    return;
  }
  const std::vector<float> left = to_floats(a, i);
  const std::vector<float> right = to_floats(b, i);
  std::vector<float> result(static_cast<std::size_t>(m * n));
  cblas_sgemm(CblasColMajor, to_cblas(a), to_cblas(b), to_int(m), to_int(n), to_int(k),
              static_cast<float>(alpha), left.data(), to_int(a.rows), right.data(), to_int(b.rows), 0.0f,
              result.data(), to_int(m));
  for (std::int64_t column = 0; column < n; ++column) {
    for (std::int64_t row = 0; row < m; ++row) {
      const double old = beta == 0 ? 0 : beta * d.get(i, row, column);
      d.set(i, row, column, static_cast<double>(result[static_cast<std::size_t>(column * m + row)]) + old);
    }
  }
}

void Matmul::finish(std::int64_t i) const {
  if (reads_vector()) {
    const Matrix bias = vector_matrix();
    note(bias, 0, false);
    for (std::int64_t column = 0; column < n; ++column) {
      for (std::int64_t row = 0; row < m; ++row)
        d.set(i, row, column, d.get(i, row, column) + bias.get(0, row, 0));
    }
  }
}

}  // namespace gnn::emulation
