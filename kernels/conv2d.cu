#include "gnn/kernels/conv2d.h"

#include <algorithm>

#include "gnn/core/error.h"
#include "gnn/kernels/conv2d_choice.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/im2col.h"
#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/sum_to.h"

namespace gnn::kernels {
namespace {

/// Most memory for the im2col matrices, and for the partial sums of a weight gradient, of the images that are
/// done at a time.
constexpr std::int64_t workspace_bytes = 64 << 20;

/// Images whose data of `bytes` each fit into the workspace; at least one, at most `images`.
std::int64_t images_at_a_time(std::int64_t images, std::int64_t bytes) {
  return std::clamp<std::int64_t>(workspace_bytes / std::max<std::int64_t>(bytes, 1), 1, images);
}

Im2colParameters windows(const Conv2dSizes& z) {
  return {z.kernel, z.stride, z.padding, z.dilation};
}

/// Images [first, first + count) of a batch.
Tensor images(const Tensor& batch, std::int64_t first, std::int64_t count) {
  return batch.alias(batch.shape().with(0, count), first * (batch.numel() / batch.size(0)));
}

/// A product for each image of one group: the steps are those from image to image.
template <class T>
struct GroupProduct {
  Conv2dSizes z;
  std::int64_t count;  // images
  Device device;

  // Offsets of group g in what the products read and write.
  std::int64_t y_offset(std::int64_t g) const { return g * z.og * z.positions; }
  std::int64_t column_offset(std::int64_t g) const { return g * z.patch * z.positions; }
  std::int64_t weight_offset(std::int64_t g) const { return g * z.og * z.patch; }
  std::int64_t y_step() const { return z.o * z.positions; }
  std::int64_t column_step() const { return z.groups * z.patch * z.positions; }
  std::int64_t weight_step() const { return z.o * z.patch; }

  /// y += weight · columns
  void forward(std::int64_t g, const T* weight, const T* columns, T* y, T beta) const {
    GemmCall<T> call;
    call.m = z.og;
    call.n = z.positions;
    call.k = z.patch;
    call.a = {weight + weight_offset(g), z.patch};
    call.b = {columns + column_offset(g), z.positions};
    call.c = y + y_offset(g);
    call.c_stride = z.positions;
    call.beta = beta;
    call.batch = count;
    call.b_step = column_step();
    call.c_step = y_step();
    gemm_cuda(call, device);
  }

  /// columns = weight' · dy
  void input_gradient(std::int64_t g, const T* weight, const T* dy, T* columns) const {
    GemmCall<T> call;
    call.m = z.patch;
    call.n = z.positions;
    call.k = z.og;
    call.a = {weight + weight_offset(g), z.patch, true};
    call.b = {dy + y_offset(g), z.positions};
    call.c = columns + column_offset(g);
    call.c_stride = z.positions;
    call.batch = count;
    call.b_step = y_step();
    call.c_step = column_step();
    gemm_cuda(call, device);
  }

  /// partial[image] += dy · columns'
  void weight_gradient(std::int64_t g, const T* dy, const T* columns, T* partial, T beta) const {
    GemmCall<T> call;
    call.m = z.og;
    call.n = z.patch;
    call.k = z.positions;
    call.a = {dy + y_offset(g), z.positions};
    call.b = {columns + column_offset(g), z.positions, true};
    call.c = partial + weight_offset(g);
    call.c_stride = z.patch;
    call.beta = beta;
    call.batch = count;
    call.a_step = y_step();
    call.b_step = column_step();
    call.c_step = weight_step();
    gemm_cuda(call, device);
  }
};

/// y[n, o, p] = bias[o], for products that add to it.
template <class T>
__global__ void fill_bias_kernel(const T* bias, T* y, std::int64_t count, std::int64_t o,
                                 std::int64_t positions) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) y[i] = bias[i / positions % o];
}

/// y[n, o, p] = bias[o], or nothing without a bias.
void start_with_bias(const Conv2dSizes& z, const Tensor& bias, Tensor& y) {
  if (!bias.defined()) return;
  dispatch_floating(Conv2dForward::name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(fill_bias_kernel<T>, dim3(elementwise_grid(y.numel())), dim3(elementwise_block), 0, y.device(),
           bias.data<T>(), y.mutable_data<T>(), y.numel(), z.o, z.positions);
  });
}

void forward_by_gemm(const Conv2dSizes& z, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     Tensor& y) {
  start_with_bias(z, bias, y);
  dispatch_floating(Conv2dForward::name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t rows = z.c * z.kernel.area();
    const std::int64_t chunk =
        images_at_a_time(z.n, rows * z.positions * static_cast<std::int64_t>(sizeof(T)));
    Tensor columns = empty({chunk, rows, z.positions}, x.options());
    for (std::int64_t first = 0; first < z.n; first += chunk) {
      const std::int64_t count = std::min(chunk, z.n - first);
      Tensor part = images(columns, 0, count);
      Im2col::cuda(images(x, first, count), part, windows(z));
      Tensor y_part = images(y, first, count);
      const GroupProduct<T> product{z, count, x.device()};
      for (std::int64_t g = 0; g < z.groups; ++g) {
        product.forward(g, weight.data<T>(), part.data<T>(), y_part.mutable_data<T>(),
                        bias.defined() ? T{1} : T{0});
      }
    }
  });
}

void input_gradient_by_gemm(const Conv2dSizes& z, const Tensor& dy, const Tensor& weight, Tensor& dx) {
  dispatch_floating(Conv2dInputGradient::name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t rows = z.c * z.kernel.area();
    const std::int64_t chunk =
        images_at_a_time(z.n, rows * z.positions * static_cast<std::int64_t>(sizeof(T)));
    Tensor columns = empty({chunk, rows, z.positions}, dy.options());
    for (std::int64_t first = 0; first < z.n; first += chunk) {
      const std::int64_t count = std::min(chunk, z.n - first);
      Tensor part = images(columns, 0, count);
      const GroupProduct<T> product{z, count, dy.device()};
      const Tensor dy_part = images(dy, first, count);
      for (std::int64_t g = 0; g < z.groups; ++g) {
        product.input_gradient(g, weight.data<T>(), dy_part.data<T>(), part.mutable_data<T>());
      }
      Tensor dx_part = images(dx, first, count);
      Col2im::cuda(part, dx_part, windows(z));
    }
  });
}

void weight_gradient_by_gemm(const Conv2dSizes& z, const Tensor& x, const Tensor& dy, Tensor& dweight) {
  dispatch_floating(Conv2dWeightGradient::name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t rows = z.c * z.kernel.area();
    const std::int64_t column_bytes = rows * z.positions * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t weight_bytes = static_cast<std::int64_t>(dweight.nbytes());
    const std::int64_t chunk = z.n == 0 ? 0 : images_at_a_time(z.n, std::max(column_bytes, weight_bytes));
    // A weight gradient for each image of a chunk, added up over the chunks; then their sum, in order.
    Tensor partial = empty({chunk, dweight.numel()}, x.options());
    Tensor columns = empty({chunk, rows, z.positions}, x.options());
    for (std::int64_t first = 0; first < z.n; first += chunk) {
      const std::int64_t count = std::min(chunk, z.n - first);
      Tensor part = images(columns, 0, count);
      Im2col::cuda(images(x, first, count), part, windows(z));
      const Tensor dy_part = images(dy, first, count);
      const GroupProduct<T> product{z, count, x.device()};
      for (std::int64_t g = 0; g < z.groups; ++g) {
        product.weight_gradient(g, dy_part.data<T>(), part.data<T>(), partial.mutable_data<T>(),
                                first == 0 ? T{0} : T{1});
      }
    }
    Tensor sum = dweight.alias({1, dweight.numel()});
    SumTo::cuda(partial, 1, sum);
  });
}

}  // namespace

void Conv2dForward::cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                         const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(name, x, weight, y, parameters);
  if (bias.defined() && bias.shape() != Shape{z.o}) {
    throw ShapeError("conv2d_forward: the bias has shape " + bias.shape().to_string());
  }
  if (y.numel() == 0) return;
  const Conv2dProblem problem{Conv2dDirection::forward, z, x.dtype(), x.device()};
  run_conv2d(
      problem, [&] { forward_by_gemm(z, x, weight, bias, y); },
      [&](const CudnnAlgorithm& algorithm) {
        start_with_bias(z, bias, y);
        CudnnConvolution::of(problem).run(algorithm, x.raw_data(), weight.raw_data(), y.mutable_raw_data(),
                                          bias.defined());
      });
}

void Conv2dInputGradient::cuda(const Tensor& dy, const Tensor& weight, Tensor& dx,
                               const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(name, dx, weight, dy, parameters);
  if (dx.numel() == 0) return;
  const Conv2dProblem problem{Conv2dDirection::input_gradient, z, dy.dtype(), dy.device()};
  run_conv2d(
      problem, [&] { input_gradient_by_gemm(z, dy, weight, dx); },
      [&](const CudnnAlgorithm& algorithm) {
        CudnnConvolution::of(problem).run(algorithm, dy.raw_data(), weight.raw_data(), dx.mutable_raw_data());
      });
}

void Conv2dWeightGradient::cuda(const Tensor& x, const Tensor& dy, Tensor& dweight,
                                const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(name, x, dweight, dy, parameters);
  if (dweight.numel() == 0) return;
  const Conv2dProblem problem{Conv2dDirection::weight_gradient, z, x.dtype(), x.device()};
  run_conv2d(
      problem, [&] { weight_gradient_by_gemm(z, x, dy, dweight); },
      [&](const CudnnAlgorithm& algorithm) {
        CudnnConvolution::of(problem).run(algorithm, x.raw_data(), dy.raw_data(), dweight.mutable_raw_data());
      });
}

}  // namespace gnn::kernels
