#include "gnn/kernels/linear.h"

#include "gnn/kernels/activation.h"
#include "gnn/kernels/activation_math.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/sum_to.h"

namespace gnn::kernels {
namespace {

/// A block of relu_backward_kernel does `columns` columns, `lanes` rows of them at a time.
constexpr int columns = 32;
constexpr int lanes = elementwise_block / columns;
/// Beyond, where its few blocks have much to do each, a mask and a sum that use all of the GPU. A guess: it
/// was not measured.
constexpr std::int64_t most_rows = 128 * lanes;

/// dz = dy masked by y, and its sums over rows: dz is read no second time for them.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    relu_backward_kernel(const T* dy, const T* y, std::int64_t rows, std::int64_t out, T* dz, T* dbias) {
  GNN_SHARED(double, sums, [lanes][columns]);
  const int lane = static_cast<int>(threadIdx.x) / columns;
  const int slot = static_cast<int>(threadIdx.x) % columns;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * columns + slot;
  double sum = 0;
  if (column < out) {
    for (std::int64_t row = lane; row < rows; row += lanes) {
      const std::int64_t i = row * out + column;
      const T value = dy[i] * Relu<T>{}.derivative(y[i]);
      dz[i] = value;
      sum += static_cast<double>(value);
    }
  }
  sums[lane][slot] = sum;
  __syncthreads();
  if (lane != 0 || column >= out) return;
  for (int other = 1; other < lanes; ++other) sum += sums[other][slot];
  dbias[column] = static_cast<T>(sum);
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
    const Device device = dy.device();
    const std::int64_t rows = dy.size(0);
    const std::int64_t out = dy.size(1);
    bool sums_wanted = dbias.defined();
    Tensor dz = dy;
    if (y.defined()) {
      dz = empty_like(dy);
      if (sums_wanted && rows <= most_rows) {
        launch(relu_backward_kernel<T>, static_cast<unsigned>((out + columns - 1) / columns),
               elementwise_block, 0, device, dy.data<T>(), y.data<T>(), rows, out, dz.mutable_data<T>(),
               dbias.mutable_data<T>());
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
