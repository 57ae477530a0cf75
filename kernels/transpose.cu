#include "gnn/kernels/transpose.h"

#include "gnn/kernels/device.cuh"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

constexpr int tile = 32;
constexpr int tile_rows = 8;  // rows of threads: each moves four elements of a tile

template <class T>
__global__ void __launch_bounds__(tile* tile_rows)
    transpose_kernel(const T* x, std::int64_t batch, std::int64_t rows, std::int64_t columns, T* y) {
  // One column more than needed: neither its rows nor its columns lie in one bank.
  GNN_SHARED(T, shared, [tile][tile + 1]);
  const std::int64_t row_tiles = (rows + tile - 1) / tile;
  const std::int64_t column_tiles = (columns + tile - 1) / tile;
  for (std::int64_t task = blockIdx.x; task < batch * row_tiles * column_tiles; task += gridDim.x) {
    const std::int64_t j0 = task % column_tiles * tile;
    const std::int64_t i0 = task / column_tiles % row_tiles * tile;
    const std::int64_t base = task / column_tiles / row_tiles * rows * columns;
    for (int k = static_cast<int>(threadIdx.y); k < tile; k += tile_rows) {
      const std::int64_t i = i0 + k;
      const std::int64_t j = j0 + threadIdx.x;
      if (i < rows && j < columns) shared[k][threadIdx.x] = x[base + i * columns + j];
    }
    __syncthreads();
    for (int k = static_cast<int>(threadIdx.y); k < tile; k += tile_rows) {
      const std::int64_t j = j0 + k;
      const std::int64_t i = i0 + threadIdx.x;
      if (i < rows && j < columns) y[base + j * rows + i] = shared[threadIdx.x][k];
    }
    __syncthreads();  // before the next task overwrites the tile
  }
}

}  // namespace

void Transpose::cuda(const Tensor& x, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                     Tensor& y) {
  check_transpose(x, batch, rows, columns, y);
  dispatch_bits(size_of(x.dtype()), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t tiles = batch * ((rows + tile - 1) / tile) * ((columns + tile - 1) / tile);
    launch(transpose_kernel<T>, static_cast<unsigned>(std::min<std::int64_t>(tiles, std::int64_t{1} << 20)),
           dim3(tile, tile_rows), 0, x.device(), static_cast<const T*>(x.raw_data()), batch, rows, columns,
           static_cast<T*>(y.mutable_raw_data()));
  });
}

}  // namespace gnn::kernels
