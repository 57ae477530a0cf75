#include "gnn/kernels/linear.h"

#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

template <class T>
__global__ void fill_rows_kernel(const T* row, T* y, std::int64_t count, std::int64_t columns) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) y[i] = row[i % columns];
}

}  // namespace

void LinearForward::cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    GemmCall<T> call = make_gemm_call<T>(x, weight, y, {.trans_b = true});
    detail::check_linear_bias(bias, y);
    if (bias.defined()) {  // the product is added to it
      launch(fill_rows_kernel<T>, dim3(elementwise_grid(y.numel())), dim3(elementwise_block), 0, y.device(),
             bias.data<T>(), call.c, y.numel(), call.n);
      call.beta = 1;
    }
    gemm_cuda(call, y.device());
  });
}

}  // namespace gnn::kernels
