#include "gnn/kernels/linear.h"

#include "gnn/core/check.h"
#include "gnn/kernels/gemm_call.h"

namespace gnn::kernels {

void detail::check_linear_bias(const Tensor& bias, const Tensor& y) {
  if (!bias.defined()) return;
  check<ShapeError>(bias.shape() == Shape{y.size(-1)}, "linear_forward: expected bias [{}], got {}",
                    y.size(-1), bias.shape());
  check<DTypeError>(bias.dtype() == y.dtype(), "linear_forward: expected a bias of {}, got {}",
                    name_of(y.dtype()), name_of(bias.dtype()));
}

void LinearForward::cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    GemmCall<T> call = make_gemm_call<T>(x, weight, y, {.trans_b = true});
    detail::check_linear_bias(bias, y);
    if (bias.defined()) call.column_bias = bias.data<T>();
    gemm_cpu(call);
  });
}

}  // namespace gnn::kernels
