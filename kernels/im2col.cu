#include "gnn/kernels/im2col.h"

#include "gnn/kernels/im2col_math.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

template <class T>
__global__ void im2col_kernel(Im2colSizes z, const T* x, T* columns, std::int64_t count) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
    columns[i] = im2col_element(z, x, i / z.ow, i % z.ow);
  }
}

template <class T>
__global__ void col2im_kernel(Im2colSizes z, const T* columns, T* x, std::int64_t count) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) x[i] = col2im_element(z, columns, i);
}

}  // namespace

void Im2col::cuda(const Tensor& x, Tensor& columns, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t count = columns.numel();
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
