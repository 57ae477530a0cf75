#include "gnn/kernels/linear.h"

#include <type_traits>

#include "gnn/kernels/activation.h"
#include "gnn/kernels/activation_math.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/sum_to.h"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {
namespace {

/// A block of relu_backward_kernel does a warp's vectors of a row, of `lanes` rows at a time.
constexpr int warp = 32;
constexpr int lanes = elementwise_block / warp;
/// Beyond, where its few blocks have much to do each, a mask and a sum that use all of the GPU. A guess: it
/// was not measured.
constexpr std::int64_t most_rows = 128 * lanes;

/// dz = dy masked by y, and its sums over rows: dz is read no second time for them. In vectors of N, which
/// divides `out`; dz is aligned for them.
template <int N, class T>
__global__ void __launch_bounds__(elementwise_block)
    relu_backward_kernel(const T* dy, const T* y, std::int64_t rows, std::int64_t out, T* dz, T* dbias) {
  GNN_SHARED(double, sums, [N][lanes][warp]);
  const int lane = static_cast<int>(threadIdx.x) / warp;
  const int slot = static_cast<int>(threadIdx.x) % warp;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * warp + slot) * N;
  double sum[N] = {};
  if (column < out) {
    for (std::int64_t row = lane; row < rows; row += lanes) {
      const std::int64_t i = row * out + column;
      const Vector<T, N> gradient = load_vector<N>(dy + i, N);
      const Vector<T, N> result = load_vector<N>(y + i, N);
      Vector<T, N> masked;
#pragma unroll
      for (int k = 0; k < N; ++k) masked[k] = gradient[k] * Relu<T>{}.derivative(result[k]);
      reinterpret_cast<Vector<T, N>*>(dz)[i / N] = masked;
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += static_cast<double>(masked[k]);
    }
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sums[k][lane][slot] = sum[k];
  __syncthreads();
  if (lane >= N || column >= out) return;
  double total = 0;  // of column `lane` of the vector
#pragma unroll
  for (int other = 0; other < lanes; ++other) total += sums[lane][other][slot];
  dbias[column + lane] = static_cast<T>(total);
}

/// Vectors of 8 bytes where rows have whole ones: a row that begins amid a sector of 32 bytes costs a warp
/// half as much more as with single floats. (With 16 bytes there would be too few blocks.)
template <class T>
void relu_backward(const Tensor& dy, const Tensor& y, Tensor& dz, Tensor& dbias) {
  const std::int64_t rows = dy.size(0);
  const std::int64_t out = dy.size(1);
  const auto run = [&](auto width) {
    constexpr int N = width;
    launch(relu_backward_kernel<N, T>, static_cast<unsigned>((out + N * warp - 1) / (N * warp)),
           elementwise_block, 0, dy.device(), dy.data<T>(), y.data<T>(), rows, out, dz.mutable_data<T>(),
           dbias.mutable_data<T>());
  };
  constexpr int pair = static_cast<int>(8 / sizeof(T));
  if (out % pair == 0) return run(std::integral_constant<int, pair>{});
  run(std::integral_constant<int, 1>{});
}

}  // namespace

void LinearForward::cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y, bool relu) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    GemmCall<T> call = make_gemm_call<T>(x, weight, y, {.trans_b = true});
    detail::check_linear_vector(name, "bias", bias, y);
    if (bias.defined()) call.column_bias = bias.data<T>();
    gemm_cuda(call, y.device());
    if (relu) ActivationForward::cuda(y, y, Activation::relu, {});
  });
}

void LinearBackward::cuda(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& y,
                          Tensor& dx, Tensor& dweight, Tensor& dbias) {
  detail::check_linear_backward(dy, y, dbias);
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    bool sums_wanted = dbias.defined();
    Tensor dz = dy;
    if (y.defined()) {
      dz = empty_like(dy);
      if (sums_wanted && dy.size(0) <= most_rows) {
        relu_backward<T>(dy, y, dz, dbias);
        sums_wanted = false;
      } else {
        ActivationBackward::cuda(y, dy, dz, Activation::relu, {});
      }
    }
    // Not in the product's launch: cuBLAS's own sums of rows were found to make it slower
    // (https://github.com/NVIDIA/CUDALibrarySamples/issues/90).
    if (dweight.defined()) Gemm::cuda(dz, x, dweight, {.trans_a = true});
    if (sums_wanted) SumTo::cuda(dz, 1, dbias);
    if (dx.defined()) Gemm::cuda(dz, weight, dx);
  });
}

}  // namespace gnn::kernels
