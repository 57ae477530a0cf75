#include "gnn/kernels/im2col.h"

#include "gnn/kernels/im2col_math.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

// A thread for each window and channel: the position is found once, by division, for all of the window's
// elements. Neighbouring threads write neighbouring elements, and read such for stride 1. Four
// blocks at least: with more ptxas spills registers.
template <class T>
__global__ void __launch_bounds__(elementwise_block, 4)
    im2col_kernel(Im2colSizes z, const T* x, T* columns, std::int64_t count) {
  const std::int64_t step = z.oh * z.ow;
  for (std::int64_t index = global_thread(); index < count; index += grid_threads()) {
    const std::int64_t line = index / z.ow;
    const std::int64_t plane = line / z.oh;
    const std::int64_t top = line % z.oh * z.stride_h - z.padding_h;
    const std::int64_t left = index % z.ow * z.stride_w - z.padding_w;
    const T* const image = x + plane * z.h * z.w;
    T* out = columns + plane * z.kernel_h * z.kernel_w * step + index % step;
    for (std::int64_t r = 0; r < z.kernel_h; ++r) {
      const std::int64_t y = top + r * z.dilation_h;
      for (std::int64_t s = 0; s < z.kernel_w; ++s, out += step) {
        const std::int64_t column = left + s * z.dilation_w;
        const bool inside = y >= 0 && y < z.h && column >= 0 && column < z.w;
        *out = inside ? image[y * z.w + column] : T{0};
      }
    }
  }
}

template <class T>
__global__ void __launch_bounds__(elementwise_block)
    col2im_kernel(Im2colSizes z, const T* columns, T* x, std::int64_t count) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) x[i] = col2im_element(z, columns, i);
}

}  // namespace

void Im2col::cuda(const Tensor& x, Tensor& columns, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t count = z.n * z.c * z.oh * z.ow;
    launch(im2col_kernel<T>, dim3(elementwise_grid(count)), dim3(elementwise_block), 0, x.device(), z,
           x.data<T>(), columns.mutable_data<T>(), count);
  });
}

void Col2im::cuda(const Tensor& columns, Tensor& x, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t count = x.numel();
    launch(col2im_kernel<T>, dim3(elementwise_grid(count)), dim3(elementwise_block), 0, x.device(), z,
           columns.data<T>(), x.mutable_data<T>(), count);
  });
}

}  // namespace gnn::kernels
