#pragma once

// Vector loads and stores that take any alignment and any length, and the element-wise kernel made of them: a
// kernel that uses them never asserts that a size divides anything and has no special case for tails.

#include "gnn/kernels/device.cuh"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {

/// Elements of T that a 16-byte access moves.
template <class T>
inline constexpr int vector_width = static_cast<int>(16 / sizeof(T));

/// N consecutive elements that move in one access when the address allows it.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T values[N];
  __device__ __forceinline__ T& operator[](int i) { return values[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return values[i]; }
};

/// True when `address` may be accessed as a Vector<T, N>.
template <class T, int N>
__device__ __forceinline__ bool is_aligned(const T* address) {
  return reinterpret_cast<std::uintptr_t>(address) % sizeof(Vector<T, N>) == 0;
}

/// The elements source[0 … N), those at `valid` and beyond replaced by `fallback` and not read.
template <int N, class T>
__device__ __forceinline__ Vector<T, N> load_vector(const T* source, std::int64_t valid, T fallback = T{}) {
  if (valid >= N && is_aligned<T, N>(source)) return *reinterpret_cast<const Vector<T, N>*>(source);
  Vector<T, N> vector;
#pragma unroll
  for (int i = 0; i < N; ++i) vector[i] = i < valid ? source[i] : fallback;
  return vector;
}

/// Writes the first `valid` elements, at most N.
template <int N, class T>
__device__ __forceinline__ void store_vector(T* target, const Vector<T, N>& vector, std::int64_t valid) {
  if (valid >= N && is_aligned<T, N>(target)) {
    *reinterpret_cast<Vector<T, N>*>(target) = vector;
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if (i < valid) target[i] = vector[i];
  }
}

/// y[i] = f(x[i]…): N elements per thread and step, so that the widest type moves in 16-byte accesses. y may
/// be one of the inputs.
template <int N, class F, class Y, class... X>
__global__ void __launch_bounds__(elementwise_block, unspilled_blocks<Y>)
    elementwise_kernel(std::int64_t count, F f, Y* y, const X*... x) {
  for (std::int64_t i = global_thread() * N; i < count; i += grid_threads() * N) {
    const std::int64_t valid = count - i;
    Vector<Y, N> result;
    // The lambda names the loaded vectors so that all loads are issued before the first is used.
    [&](auto... in) {
#pragma unroll
      for (int k = 0; k < N; ++k) result[k] = f(in[k]...);
    }(load_vector<N>(x + i, valid)...);
    store_vector(y + i, result, valid);
  }
}

/// Launches y[i] = f(x[i]…) for i in [0, count) on the current stream of `device`; f is called on the device.
template <class F, class Y, class... X>
void launch_elementwise(Device device, std::int64_t count, F f, Y* y, const X*... x) {
  constexpr int n = static_cast<int>(16 / std::max({sizeof(Y), sizeof(X)...}));
  launch(elementwise_kernel<n, F, Y, X...>, elementwise_grid((count + n - 1) / n), elementwise_block, 0,
         device, count, f, y, x...);
}

}  // namespace gnn::kernels
