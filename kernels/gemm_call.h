#pragma once

#include <cstdint>

#include "gnn/core/device.h"
#include "gnn/kernels/gemm.h"

// Matrix products on raw memory, for other kernels. Not installed.

namespace gnn::kernels {

/// A row-major matrix: element (i, j) of op(x) is data[i * stride + j], or data[j * stride + i] when
/// transposed.
template <class T>
struct Matrix {
  const T* data = nullptr;
  std::int64_t stride = 0;
  bool transposed = false;
};

/// c [m, n] = act(alpha · op(a) [m, k] · op(b) [k, n] + beta · c + column_bias [n]), `batch` times with the
/// given steps between the matrices. beta = 0: c is not read. act is ReLU or nothing.
template <class T>
struct GemmCall {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  Matrix<T> a;
  Matrix<T> b;
  T* c = nullptr;
  std::int64_t c_stride = 0;
  T alpha = 1;
  T beta = 0;
  const T* column_bias = nullptr;  ///< nullptr: none
  bool relu = false;               ///< CPU only: nobody says what cuBLAS's ReLU makes of NaN
  std::int64_t batch = 1;
  std::int64_t a_step = 0;
  std::int64_t b_step = 0;
  std::int64_t c_step = 0;
};

/// The call that Gemm's arguments mean, checked.
template <class T>
GemmCall<T> make_gemm_call(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options);

/// On all threads of the CPU. Defined for float and double.
template <class T>
void gemm_cpu(const GemmCall<T>& call);

/// By cuBLAS on the current stream of `device`: the bias is added in the product's own launch where cuBLAS
/// can, else in a second one. Defined for float and double.
template <class T>
void gemm_cuda(const GemmCall<T>& call, Device device);

}  // namespace gnn::kernels
