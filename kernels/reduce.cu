#include "gnn/kernels/reduce.cuh"

#include "gnn/core/error.h"

namespace gnn::kernels {
namespace {

template <class T>
struct BestOf {
  T value;
  std::int64_t index;
};

template <class T>
struct MaxOp {
  using Acc = BestOf<T>;
  const T* x;
  T* values;
  std::int64_t* indices;

  // An index that every element beats.
  __device__ Acc identity() const { return {-static_cast<T>(INFINITY), INT64_MAX}; }
  __device__ Acc load(std::int64_t offset, std::int64_t r) const { return {x[offset], r}; }
  __device__ static Acc combine(const Acc& a, const Acc& b) {
    const bool a_nan = a.value != a.value;
    const bool b_nan = b.value != b.value;
    if (a_nan != b_nan) return a_nan ? a : b;
    if (!a_nan && a.value != b.value) return a.value > b.value ? a : b;
    return a.index < b.index ? a : b;
  }
  __device__ void store(std::int64_t output, const Acc& best) const {
    if (values != nullptr) values[output] = best.value;
    if (indices != nullptr) indices[output] = best.index;
  }
};

template <class T>
__global__ void expand_kernel(const T* x, ReduceDims dims, T scale, T* y) {
  const std::int64_t count = dims.outer * dims.reduced * dims.inner;
  for (std::int64_t at = global_thread(); at < count; at += grid_threads()) {
    const std::int64_t i = at % dims.inner;
    const std::int64_t o = at / dims.inner / dims.reduced;
    y[at] = scale * x[o * dims.inner + i];
  }
}

template <class T>
__global__ void max_backward_kernel(const T* grad, const std::int64_t* indices, ReduceDims dims, T* dx) {
  const std::int64_t count = dims.outer * dims.reduced * dims.inner;
  for (std::int64_t at = global_thread(); at < count; at += grid_threads()) {
    const std::int64_t i = at % dims.inner;
    const std::int64_t r = at / dims.inner % dims.reduced;
    const std::int64_t output = at / dims.inner / dims.reduced * dims.inner + i;
    dx[at] = indices[output] == r ? grad[output] : T(0);
  }
}

}  // namespace

void Sum::cuda(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y) {
  check_reduce_dims(name, dims, x, y);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    reduce_cuda(SumOp<T, LoadElement<T>>{{x.data<T>()}, scale, y.mutable_data<T>()}, dims, x.device());
  });
}

void Expand::cuda(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y) {
  check_reduce_dims(name, dims, y, x);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(expand_kernel<T>, elementwise_grid(y.numel()), elementwise_block, 0, y.device(), x.data<T>(), dims,
           static_cast<T>(scale), y.mutable_data<T>());
  });
}

void Max::cuda(const Tensor& x, const ReduceDims& dims, Tensor& values, Tensor& indices) {
  check_reduce_dims(name, dims, x, values);
  check_reduce_dims(name, dims, x, indices);
  if (dims.reduced == 0 && dims.outer * dims.inner > 0)
    throw ShapeError("max: nothing has no largest element");
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const best = values.defined() ? values.mutable_data<T>() : nullptr;
    std::int64_t* const at = indices.defined() ? indices.mutable_data<std::int64_t>() : nullptr;
    reduce_cuda(MaxOp<T>{x.data<T>(), best, at}, dims, x.device());
  });
}

void MaxBackward::cuda(const Tensor& grad, const Tensor& indices, const ReduceDims& dims, Tensor& dx) {
  check_reduce_dims(name, dims, dx, grad);
  check_reduce_dims(name, dims, dx, indices);
  dispatch_floating(name, grad.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(max_backward_kernel<T>, elementwise_grid(dx.numel()), elementwise_block, 0, dx.device(),
           grad.data<T>(), indices.data<std::int64_t>(), dims, dx.mutable_data<T>());
  });
}

}  // namespace gnn::kernels
