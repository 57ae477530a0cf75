#pragma once

#include "gnn/core/tensor.h"

namespace gnn::kernels {

struct GemmOptions {
  bool trans_a = false;  ///< a is stored transposed
  bool trans_b = false;  ///< b is stored transposed
  double alpha = 1;
  double beta = 0;  ///< 0: c is not read, whatever it holds
};

/// The matrix product c = alpha · op(a) · op(b) + beta · c, op(x) = x or its transpose.
///
/// Shapes: c [M, N], op(a) [M, K], op(b) [K, N]; or a batch of products c [B, M, N], where a and b are [B, …]
/// or two-dimensional, and then the same for every product. float32 or float64, all the same. c shares no
/// memory with a or b. Empty matrices are fine; K = 0 gives beta · c.
///
/// Products are accumulated in the tensors' dtype, on CUDA without TensorFloat-32 unless
/// set_float32_matmul_precision allows it. The result depends neither on the number of threads nor on the
/// stream; it is bitwise the same on every run on the same kind of device. The CPU is faster where op(a) has
/// many zeros, with the same bits: it leaves their terms out, but not those where b is infinite or NaN.
/// Throws ShapeError or DTypeError for matrices that do not fit.
struct GNN_API Gemm {
  static constexpr const char* name = "gemm";
  static void cpu(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options = {});
  static void cuda(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options = {});
};

}  // namespace gnn::kernels
