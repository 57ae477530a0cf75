#include "gnn/layers/gemm.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/gemm.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

/// A gradient of the given shape that is left · right; where the operand is one matrix for a whole batch, the
/// sum of the products over the batch, in order.
Tensor product(const Tensor& left, bool trans_left, const Tensor& right, bool trans_right,
               const Shape& shape) {
  Tensor result = empty(shape, left.options());
  kernels::GemmOptions options{.trans_a = trans_left, .trans_b = trans_right};
  if (shape.dim() == 3 || (left.dim() == 2 && right.dim() == 2)) {
    kernels::run<kernels::Gemm>(left, right, result, options);
    return result;
  }
  const auto matrix = [](const Tensor& x, std::int64_t i) {
    if (x.dim() == 2) return x;
    const Shape one{x.size(1), x.size(2)};
    return x.alias(one, i * one.numel());
  };
  const std::int64_t batch = left.dim() == 3 ? left.size(0) : right.size(0);
  if (batch == 0) return zeros(shape, left.options());
  for (std::int64_t i = 0; i < batch; ++i) {
    options.beta = i == 0 ? 0 : 1;
    kernels::run<kernels::Gemm>(matrix(left, i), matrix(right, i), result, options);
  }
  return result;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const auto is_matrix = [](const Tensor& x) { return x.dim() == 2 || x.dim() == 3; };
  const bool batches_fit =
      a.dim() == 2 || b.dim() == 2 || (is_matrix(a) && is_matrix(b) && a.size(0) == b.size(0));
  const char* transposed_a = options.trans_a ? " (transposed)" : "";
  const char* transposed_b = options.trans_b ? " (transposed)" : "";
  check<ShapeError>(is_matrix(a) && is_matrix(b) && batches_fit,
                    "matmul: expected [M, K] or [B, M, K] times [K, N] or [B, K, N], got {}{} times {}{}",
                    a.shape(), transposed_a, b.shape(), transposed_b);
  const std::int64_t m = a.size(options.trans_a ? -1 : -2);
  const std::int64_t k = a.size(options.trans_a ? -2 : -1);
  const std::int64_t n = b.size(options.trans_b ? -2 : -1);
  check<ShapeError>(b.size(options.trans_b ? -1 : -2) == k, "matmul: the inner sizes differ: {}{} times {}{}",
                    a.shape(), transposed_a, b.shape(), transposed_b);
  check<DTypeError>(a.dtype() == b.dtype(), "matmul: expected one dtype, got {} times {}", name_of(a.dtype()),
                    name_of(b.dtype()));
  const bool batched = a.dim() == 3 || b.dim() == 3;
  Tensor c = empty(batched ? Shape{a.dim() == 3 ? a.size(0) : b.size(0), m, n} : Shape{m, n}, a.options());
  kernels::run<kernels::Gemm>(a, b, c,
                              kernels::GemmOptions{.trans_a = options.trans_a, .trans_b = options.trans_b});

  if (!is_recording({a, b})) return c;
  const Saved saved_a = b.requires_grad() ? save(a) : Saved();
  const Saved saved_b = a.requires_grad() ? save(b) : Saved();
  return record(
      "matmul", c, {a, b},
      [saved_a, saved_b, options, shape_a = a.shape(), shape_b = b.shape()](const Tensor& dc,
                                                                            Gradients& grads) {
        if (grads.needed(0)) {  // da = dc · op(b)', or its transpose
          grads.set(0, options.trans_a ? product(saved_b.get(), options.trans_b, dc, true, shape_a)
                                       : product(dc, false, saved_b.get(), !options.trans_b, shape_a));
        }
        if (grads.needed(1)) {  // db = op(a)' · dc, or its transpose
          grads.set(1, options.trans_b ? product(dc, true, saved_a.get(), options.trans_a, shape_b)
                                       : product(saved_a.get(), !options.trans_a, dc, false, shape_b));
        }
      });
}

}  // namespace gnn
