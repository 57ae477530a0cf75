#include "gnn/kernels/convert.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {

namespace {

template <class T>
struct Constant {
  T value;
  __device__ T operator()() const { return value; }
};

template <class T>
__global__ void __launch_bounds__(elementwise_block)
    arange_kernel(std::int64_t count, double start, double step, T* y) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
    y[i] = convert<T>(fma(static_cast<double>(i), step, start));
  }
}

}  // namespace

void Fill::cuda(Tensor& y, double value) {
  dispatch_all(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch_elementwise(y.device(), y.numel(), Constant<T>{convert<T>(value)}, y.mutable_data<T>());
  });
}

void Arange::cuda(Tensor& y, double start, double step) {
  dispatch_all(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(arange_kernel<T>, elementwise_grid(y.numel()), elementwise_block, 0, y.device(), y.numel(), start,
           step, y.mutable_data<T>());
  });
}

}  // namespace gnn::kernels
