#include "gnn/kernels/linear.h"

#include "gnn/core/check.h"
#include "gnn/kernels/activation.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/sum_to.h"

namespace gnn::kernels {

void detail::check_linear_vector(const char* kernel, const char* what, const Tensor& bias, const Tensor& y) {
  if (!bias.defined()) return;
  check<ShapeError>(bias.shape() == Shape{y.size(-1)}, "{}: expected {} [{}], got {}", kernel, what,
                    y.size(-1), bias.shape());
  check<DTypeError>(bias.dtype() == y.dtype(), "{}: expected {} of {}, got {}", kernel, what,
                    name_of(y.dtype()), name_of(bias.dtype()));
}

void detail::check_linear_backward(const Tensor& dy, const Tensor& y, const Tensor& dbias) {
  const char* const name = LinearBackward::name;
  check<ShapeError>(dy.dim() == 2, "{}: expected dy [N, out], got {}", name, dy.shape());
  check_linear_vector(name, "dbias", dbias, dy);
  if (!y.defined()) return;
  check<ShapeError>(y.shape() == dy.shape(), "{}: expected y {} like dy, got {}", name, dy.shape(),
                    y.shape());
  check<DTypeError>(y.dtype() == dy.dtype(), "{}: expected y of {} like dy, got {}", name,
                    name_of(dy.dtype()), name_of(y.dtype()));
}

void LinearForward::cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y, bool relu) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    GemmCall<T> call = make_gemm_call<T>(x, weight, y, {.trans_b = true});
    detail::check_linear_vector(name, "bias", bias, y);
    if (bias.defined()) call.column_bias = bias.data<T>();
    call.relu = relu;
    gemm_cpu(call);
  });
}

void LinearBackward::cpu(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& y, Tensor& dx,
                         Tensor& dweight, Tensor& dbias) {
  detail::check_linear_backward(dy, y, dbias);
  Tensor dz = dy;
  if (y.defined()) {
    dz = empty_like(dy);
    ActivationBackward::cpu(y, dy, dz, Activation::relu, {});
  }
  if (dx.defined()) Gemm::cpu(dz, weight, dx);
  if (dweight.defined()) Gemm::cpu(dz, x, dweight, {.trans_a = true});
  if (dbias.defined()) SumTo::cpu(dz, 1, dbias);
}

}  // namespace gnn::kernels
