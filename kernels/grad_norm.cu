#include "gnn/kernels/grad_norm.h"

#include <vector>

#include "gnn/kernels/grad_norm_math.h"
#include "gnn/kernels/multi_tensor.cuh"
#include "gnn/kernels/multi_tensor.h"

namespace gnn::kernels {
namespace {

// The sum of `value` over the threads of a block of elementwise_block threads, in thread 0, in fixed order.
__device__ __forceinline__ double block_sum(double value) {
  constexpr int warps = elementwise_block / 32;
  GNN_SHARED(double, sums, [warps]);
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffu, value, offset);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int warp = 1; warp < warps; ++warp) value += sums[warp];
  }
  return value;
}

// Phase 1: partials[block] = the sum of squares of the block's chunks.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    sum_of_squares_kernel(const __grid_constant__ MultiTensorTable<1> table, double* partials) {
  double sum = 0;
  for_each_element<T, 0>(table, [&](T(&values)[1]) {
    const auto value = static_cast<double>(values[0]);
    sum += value * value;
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// Phase 2, one block: norm = sqrt(sum of partials).
__global__ void __launch_bounds__(elementwise_block)
    norm_kernel(const double* partials, std::int64_t count, double* norm) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += partials[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = sqrt(sum);
}

template <class T>
__global__ void __launch_bounds__(elementwise_block)
    scale_kernel(const __grid_constant__ MultiTensorTable<1> table, const double* norm, double max_norm) {
  const double factor = clip_factor(*norm, max_norm);
  if (factor == 1) return;
  const T scale = static_cast<T>(factor);
  for_each_element<T, 1>(table, [&](T(&values)[1]) { values[0] *= scale; });
}

template <class T>
__global__ void __launch_bounds__(elementwise_block)
    clamp_kernel(const __grid_constant__ MultiTensorTable<1> table, T limit) {
  for_each_element<T, 1>(table, [&](T(&values)[1]) { values[0] = clamp_to(values[0], limit); });
}

// Calls launch_table(type, table) for the tensors of each dtype.
template <class LaunchTable>
void for_each_grad_table(const char* kernel, std::vector<Tensor>& grads, const LaunchTable& launch_table) {
  for_each_dtype(kernel, grads, [&](auto type, std::vector<Tensor>& same) {
    using T = typename decltype(type)::type;
    for_each_table<1>(
        same, [&](std::size_t i) { return std::array<void*, 1>{same[i].mutable_data<T>()}; },
        [&](const MultiTensorTable<1>& table) { launch_table(type, table); });
  });
}

}  // namespace

void GradNorm::cuda(const std::vector<Tensor>& grads, Tensor& norm) {
  const Device device = norm.device();
  // Room for the partial sums of all launches: a launch has at most one block for each chunk.
  std::int64_t chunks = 0;
  for (const Tensor& grad : grads) chunks += (grad.numel() + chunk_elements - 1) / chunk_elements;
  Tensor partials = empty({chunks}, {.dtype = DType::float64, .device = device});
  double* const sums = chunks == 0 ? nullptr : partials.mutable_data<double>();
  std::int64_t count = 0;
  for_each_dtype(name, grads, [&](auto type, const std::vector<Tensor>& same) {
    using T = typename decltype(type)::type;
    for_each_table<1>(
        same, [&](std::size_t i) { return std::array<void*, 1>{const_cast<T*>(same[i].data<T>())}; },
        [&](const MultiTensorTable<1>& table) {
          launch(sum_of_squares_kernel<T>, table.grid(), elementwise_block, 0, device, table, sums + count);
          count += table.grid();
        });
  });
  launch(norm_kernel, 1, elementwise_block, 0, device, sums, count, norm.mutable_data<double>());
}

void ScaleToNorm::cuda(std::vector<Tensor>& grads, const Tensor& norm, double max_norm) {
  for_each_grad_table(name, grads, [&](auto type, const MultiTensorTable<1>& table) {
    using T = typename decltype(type)::type;
    launch(scale_kernel<T>, table.grid(), elementwise_block, 0, norm.device(), table, norm.data<double>(),
           max_norm);
  });
}

void ClampGrads::cuda(std::vector<Tensor>& grads, double limit) {
  for_each_grad_table(name, grads, [&](auto type, const MultiTensorTable<1>& table) {
    using T = typename decltype(type)::type;
    launch(clamp_kernel<T>, table.grid(), elementwise_block, 0, grads.front().device(), table,
           static_cast<T>(limit));
  });
}

}  // namespace gnn::kernels
