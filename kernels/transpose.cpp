#include "gnn/kernels/transpose.h"

#include "gnn/core/check.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/transpose_tile.h"

namespace gnn::kernels {
namespace {

// Elements along both sides of a tile: its rows in x and in y are whole cache lines and stay in the
// first-level cache.
constexpr std::int64_t tile = 32;

template <class T>
void transpose(const T* x, std::int64_t batch, std::int64_t rows, std::int64_t columns, T* y) {
  const std::int64_t row_tiles = (rows + tile - 1) / tile;
  const std::int64_t column_tiles = (columns + tile - 1) / tile;
  // Neighbouring tasks go down a column of tiles: along the rows of y, which are written whole.
  parallel_for<Isa::base>(batch * row_tiles * column_tiles, elementwise_grain / (tile * tile),
                          [=](std::int64_t begin, std::int64_t end) {
                            for (std::int64_t task = begin; task < end; ++task) {
                              const std::int64_t i0 = task % row_tiles * tile;
                              const std::int64_t j0 = task / row_tiles % column_tiles * tile;
                              const std::int64_t base = task / row_tiles / column_tiles * rows * columns;
                              const std::int64_t i1 = std::min(i0 + tile, rows);
                              const std::int64_t j1 = std::min(j0 + tile, columns);
                              transpose_into(x + base + i0 * columns + j0, columns, i1 - i0, j1 - j0,
                                             y + base + j0 * rows + i0, rows);
                            }
                          });
}

}  // namespace

void check_transpose(const Tensor& x, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                     const Tensor& y) {
  check<DTypeError>(x.dtype() == y.dtype(), "transpose: expected one dtype, got {} and {}", x.dtype(),
                    y.dtype());
  check<ShapeError>(x.numel() == batch * rows * columns && y.numel() == x.numel(),
                    "transpose: expected {} x {} x {} elements, got shapes {} and {}", batch, rows, columns,
                    x.shape(), y.shape());
}

void Transpose::cpu(const Tensor& x, std::int64_t batch, std::int64_t rows, std::int64_t columns, Tensor& y) {
  check_transpose(x, batch, rows, columns, y);
  dispatch_bits(size_of(x.dtype()), [&](auto type) {
    using T = typename decltype(type)::type;
    transpose(static_cast<const T*>(x.raw_data()), batch, rows, columns,
              static_cast<T*>(y.mutable_raw_data()));
  });
}

}  // namespace gnn::kernels
