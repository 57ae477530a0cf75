#pragma once

// Matrix products of the emulated cuBLAS, by OpenBLAS. Matrices are column-major; half types are computed
// with in float32.

#include <cublasLt.h>

#include <cstdint>
#include <string>
#include <vector>

namespace gnn::emulation {

/// Bytes of an element; 0 for types that are not emulated.
std::size_t size_of(cudaDataType type);

struct Matrix {
  char* data;
  cudaDataType type;
  std::int64_t rows;  // as stored
  std::int64_t columns;
  std::int64_t stride;  // between columns
  std::int64_t step;    // between the matrices of a batch
  bool transposed = false;

  std::size_t extent(std::int64_t batch) const;
  char* at(std::int64_t index) const { return data + static_cast<std::size_t>(index * step) * size_of(type); }
  double get(std::int64_t index, std::int64_t row, std::int64_t column) const;
  void set(std::int64_t index, std::int64_t row, std::int64_t column, double value) const;
};

/// d = epilogue(alpha · op(a) · op(b) + beta · c)
struct Matmul {
  Matrix a, b, c, d;
  std::int64_t m, n, k;
  std::int64_t batch;
  cudaDataType scale;      // of alpha and beta
  const void* alpha_data;  // on the device, else nullptr
  const void* beta_data;
  double alpha;
  double beta;
  cublasLtEpilogue_t epilogue;
  char* vector;  // of the epilogue: a bias
  void* workspace;
  std::size_t workspace_bytes;

  bool reads_vector() const;
  cudaError_t run();

 private:
  std::string problem() const;
  void multiply(std::int64_t index) const;
  void finish(std::int64_t index) const;
  Matrix vector_matrix() const;
};

/// A scalar of that type.
double read_scalar(const void* data, cudaDataType type);

}  // namespace gnn::emulation
