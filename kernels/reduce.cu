#include "gnn/kernels/reduce.cuh"

#include "gnn/core/error.h"
#include "gnn/kernels/vector.cuh"

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

// Calls f(k, r, output) for the N elements from `at` on that are < count: their reduced index and the offset
// of their output. One division for all of them; count is a 32-bit number wherever it fits (a 64-bit division
// is some 70 instructions).
template <int N, class Index, class F>
__device__ void for_outputs(Index at, Index count, Index reduced, Index inner, const F& f) {
  Index i = at % inner;
  const Index row = at / inner;
  Index r = row % reduced;
  Index first = row / reduced * inner;  // the offset of the output for i = 0
#pragma unroll
  for (int k = 0; k < N; ++k) {
    if (at + k < count) f(k, r, first + i);
    if (++i < inner) continue;
    i = 0;
    if (++r < reduced) continue;
    r = 0;
    first += inner;
  }
}

// Elements per thread and step: as many as move in one access.
template <class T, class Index>
__global__ void __launch_bounds__(elementwise_block)
    expand_kernel(const T* x, Index count, Index reduced, Index inner, T scale, T* y) {
  constexpr int n = vector_width<T>;
  for (std::int64_t at = global_thread() * n; at < count; at += grid_threads() * n) {
    Vector<T, n> values;
    for_outputs<n>(static_cast<Index>(at), count, reduced, inner,
                   [&](int k, Index, Index output) { values[k] = scale * x[output]; });
    store_vector(y + at, values, count - at);
  }
}

template <class T, class Index>
__global__ void __launch_bounds__(elementwise_block)
    max_backward_kernel(const T* grad, const std::int64_t* indices, Index count, Index reduced, Index inner,
                        T* dx) {
  constexpr int n = vector_width<T>;
  for (std::int64_t at = global_thread() * n; at < count; at += grid_threads() * n) {
    Vector<T, n> values;
    for_outputs<n>(static_cast<Index>(at), count, reduced, inner, [&](int k, Index r, Index output) {
      values[k] = indices[output] == static_cast<std::int64_t>(r) ? grad[output] : T(0);
    });
    store_vector(dx + at, values, count - at);
  }
}

// Calls launch_with(count) as a 32-bit number, or as a 64-bit one where it does not fit with some to spare.
template <class F>
void dispatch_index(std::int64_t count, const F& launch_with) {
  if (count < (std::int64_t{1} << 31)) {
    launch_with(static_cast<std::uint32_t>(count));
  } else {
    launch_with(count);
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
  if (y.numel() == 0) return;
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    dispatch_index(y.numel(), [&]<class Index>(Index count) {
      launch(expand_kernel<T, Index>, elementwise_grid(y.numel() / vector_width<T> + 1), elementwise_block, 0,
             y.device(), x.data<T>(), count, dims.reduced, dims.inner, static_cast<T>(scale),
             y.mutable_data<T>());
    });
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
  if (dx.numel() == 0) return;
  dispatch_floating(name, grad.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    dispatch_index(dx.numel(), [&]<class Index>(Index count) {
      launch(max_backward_kernel<T, Index>, elementwise_grid(dx.numel() / vector_width<T> + 1),
             elementwise_block, 0, dx.device(), grad.data<T>(), indices.data<std::int64_t>(), count,
             dims.reduced, dims.inner, dx.mutable_data<T>());
    });
  });
}

}  // namespace gnn::kernels
