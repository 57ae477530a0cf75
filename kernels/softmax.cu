#include "gnn/kernels/softmax.h"

#include "gnn/kernels/log_sum_exp.cuh"

namespace gnn::kernels {
namespace {

// Each row is a warp's or a block's: it is read twice, the second time from a cache.
template <int Threads, class T>
__global__ void __launch_bounds__(row_block)
    softmax_rows_kernel(const T* x, std::int64_t rows, std::int64_t count, bool log, T* y) {
  const int rank = static_cast<int>(threadIdx.x) % Threads;
  constexpr int rows_per_block = row_block / Threads;
  std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / Threads;
  for (; row < rows; row += static_cast<std::int64_t>(gridDim.x) * rows_per_block) {
    const T* const in = x + row * count;
    T* const out = y + row * count;
    ExpSum<T> total = ExpSum<T>::none();
    for (std::int64_t j = rank; j < count; j += Threads) total.add(in[j]);
    total = block_reduce<Threads>(total, CombineExpSums{});
    const T last = log ? std::log(total.sum) : T(1) / total.sum;
    for (std::int64_t j = rank; j < count; j += Threads) {
      const T shifted = in[j] - total.largest;
      out[j] = log ? shifted - last : std::exp(shifted) * last;
    }
  }
}

// A thread for each column: neighbouring threads read neighbouring elements.
template <class T>
__global__ void __launch_bounds__(elementwise_block, unspilled_blocks<T>)
    softmax_columns_kernel(const T* x, ReduceDims dims, bool log, T* y) {
  for (std::int64_t at = global_thread(); at < dims.outer * dims.inner; at += grid_threads()) {
    const std::int64_t offset = at / dims.inner * dims.reduced * dims.inner + at % dims.inner;
    ExpSum<T> total = ExpSum<T>::none();
    for (std::int64_t r = 0; r < dims.reduced; ++r) total.add(x[offset + r * dims.inner]);
    const T last = log ? std::log(total.sum) : T(1) / total.sum;
    for (std::int64_t r = 0; r < dims.reduced; ++r) {
      const T shifted = x[offset + r * dims.inner] - total.largest;
      y[offset + r * dims.inner] = log ? shifted - last : std::exp(shifted) * last;
    }
  }
}

template <class T>
__device__ T softmax_term(T y, T dy, bool log) {
  return log ? dy : dy * y;
}

template <class T>
__device__ T softmax_derivative(T y, T dy, T sum, bool log) {
  return log ? dy - std::exp(y) * sum : y * (dy - sum);
}

template <int Threads, class T>
__global__ void __launch_bounds__(row_block)
    softmax_rows_backward_kernel(const T* y, const T* dy, std::int64_t rows, std::int64_t count, bool log,
                                 T* dx) {
  const int rank = static_cast<int>(threadIdx.x) % Threads;
  constexpr int rows_per_block = row_block / Threads;
  std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / Threads;
  for (; row < rows; row += static_cast<std::int64_t>(gridDim.x) * rows_per_block) {
    const std::int64_t base = row * count;
    T sum = 0;
    for (std::int64_t j = rank; j < count; j += Threads) sum += softmax_term(y[base + j], dy[base + j], log);
    sum = block_reduce<Threads>(sum, Plus{});
    for (std::int64_t j = rank; j < count; j += Threads) {
      dx[base + j] = softmax_derivative(y[base + j], dy[base + j], sum, log);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(elementwise_block)
    softmax_columns_backward_kernel(const T* y, const T* dy, ReduceDims dims, bool log, T* dx) {
  for (std::int64_t at = global_thread(); at < dims.outer * dims.inner; at += grid_threads()) {
    const std::int64_t offset = at / dims.inner * dims.reduced * dims.inner + at % dims.inner;
    T sum = 0;
    for (std::int64_t r = 0; r < dims.reduced; ++r) {
      sum += softmax_term(y[offset + r * dims.inner], dy[offset + r * dims.inner], log);
    }
    for (std::int64_t r = 0; r < dims.reduced; ++r) {
      const std::int64_t element = offset + r * dims.inner;
      dx[element] = softmax_derivative(y[element], dy[element], sum, log);
    }
  }
}

}  // namespace

void SoftmaxForward::cuda(const Tensor& x, const ReduceDims& dims, bool log, Tensor& y) {
  check_reduce_dims(name, dims, x, {});
  check_reduce_dims(name, dims, y, {});
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const in = x.data<T>();
    T* const out = y.mutable_data<T>();
    if (dims.inner != 1) {
      launch(softmax_columns_kernel<T>, elementwise_grid(dims.outer * dims.inner), elementwise_block, 0,
             x.device(), in, dims, log, out);
    } else if (dims.reduced <= warp_row_limit) {
      launch(softmax_rows_kernel<32, T>, row_grid(dims.outer, 32), row_block, 0, x.device(), in, dims.outer,
             dims.reduced, log, out);
    } else {
      launch(softmax_rows_kernel<row_block, T>, row_grid(dims.outer, row_block), row_block, 0, x.device(), in,
             dims.outer, dims.reduced, log, out);
    }
  });
}

void SoftmaxBackward::cuda(const Tensor& y, const Tensor& dy, const ReduceDims& dims, bool log, Tensor& dx) {
  check_reduce_dims(name, dims, y, {});
  check_reduce_dims(name, dims, dy, {});
  check_reduce_dims(name, dims, dx, {});
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const out = y.data<T>();
    const T* const grad = dy.data<T>();
    T* const in = dx.mutable_data<T>();
    if (dims.inner != 1) {
      launch(softmax_columns_backward_kernel<T>, elementwise_grid(dims.outer * dims.inner), elementwise_block,
             0, y.device(), out, grad, dims, log, in);
    } else if (dims.reduced <= warp_row_limit) {
      launch(softmax_rows_backward_kernel<32, T>, row_grid(dims.outer, 32), row_block, 0, y.device(), out,
             grad, dims.outer, dims.reduced, log, in);
    } else {
      launch(softmax_rows_backward_kernel<row_block, T>, row_grid(dims.outer, row_block), row_block, 0,
             y.device(), out, grad, dims.outer, dims.reduced, log, in);
    }
  });
}

}  // namespace gnn::kernels
