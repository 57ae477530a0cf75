#include "gnn/kernels/gemm.h"

#include <algorithm>

#include "gnn/core/check.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {
namespace {

/// Rows of the left matrix that a thread multiplies at a time: 256 × gemm_depth floats are 128 KiB, which the
/// second-level cache holds while the panels of a unit pass by.
constexpr std::int64_t block_rows = 256;
/// Panels per unit of work, at most: what a unit reads of the left matrix serves that many panels.
constexpr std::int64_t block_panels = 4;

/// panel[p][j] = scale · op(b)[p][j] for p < depth, j < columns, zeros up to j = width.
template <class T>
[[gnu::always_inline]] inline void pack_panel(const Matrix<T>& b, std::int64_t depth, std::int64_t columns,
                                              std::int64_t width, T scale, T* panel) {
  if (columns < width) std::fill_n(panel, depth * width, T{0});
  if (b.transposed) {
    transpose_into(b.data, b.stride, columns, depth, scale, panel, width);
    return;
  }
  for (std::int64_t p = 0; p < depth; ++p) {
    for (std::int64_t j = 0; j < columns; ++j) panel[p * width + j] = scale * b.data[p * b.stride + j];
  }
}

/// The part of a product that one thread does at a time: rows × columns of c.
template <class T>
[[gnu::always_inline]] inline void multiply_unit(const GemmCall<T>& call, std::int64_t row_begin,
                                                 std::int64_t rows, std::int64_t column_begin,
                                                 std::int64_t columns) {
  const std::int64_t width = panel_columns<T>();
  alignas(64) T panel[gemm_depth * max_panel_columns];
  std::int64_t row_offsets[block_rows];
  std::int64_t depth_offsets[gemm_depth];
  const std::int64_t row_step = call.a.transposed ? 1 : call.a.stride;
  const std::int64_t depth_step = call.a.transposed ? call.a.stride : 1;
  for (std::int64_t i = 0; i < rows; ++i) row_offsets[i] = (row_begin + i) * row_step;
  for (std::int64_t p = 0; p < gemm_depth; ++p) depth_offsets[p] = p * depth_step;

  std::int64_t depth_begin = 0;
  do {  // once at least: without depth the result is its start
    const std::int64_t depth = std::min(gemm_depth, call.k - depth_begin);
    for (std::int64_t j = column_begin; j < column_begin + columns; j += width) {
      const std::int64_t panel_size = std::min(width, column_begin + columns - j);
      const std::int64_t b_offset =
          call.b.transposed ? j * call.b.stride + depth_begin : depth_begin * call.b.stride + j;
      pack_panel<T>({call.b.data + b_offset, call.b.stride, call.b.transposed}, depth, panel_size, width,
                    call.alpha, panel);
      GemmBlock<T> block{};
      block.a = call.a.data + depth_begin * depth_step;
      block.rows = row_offsets;
      block.depths = depth_offsets;
      block.row_count = rows;
      block.depth = depth;
      block.b = panel;
      block.columns = panel_size;
      block.c = call.c + row_begin * call.c_stride + j;
      block.c_stride = call.c_stride;
      if (depth_begin > 0 || call.beta != 0) {
        block.start = block.c;
        block.start_stride = call.c_stride;
      } else if (call.column_bias != nullptr) {
        block.start = call.column_bias + j;
      }
      multiply_block(block);
    }
    depth_begin += gemm_depth;
  } while (depth_begin < call.k);
}

/// c = beta · c + bias, for a product that then adds to it.
template <class T>
void scale_start(const GemmCall<T>& call) {
  parallel_for(call.batch * call.m, elementwise_grain / std::max<std::int64_t>(call.n, 1),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) {
                   T* row = call.c + r / call.m * call.c_step + r % call.m * call.c_stride;
                   for (std::int64_t j = 0; j < call.n; ++j) {
                     row[j] = call.beta * row[j] + (call.column_bias != nullptr ? call.column_bias[j] : T{0});
                   }
                 }
               });
}

}  // namespace

template <class T>
void gemm_cpu(const GemmCall<T>& call) {
  if (call.batch == 0 || call.m == 0 || call.n == 0) return;
  if (call.beta != 0 && (call.beta != 1 || call.column_bias != nullptr)) scale_start(call);

  // How the work is cut changes no result (see gemm_tile.h), so it may depend on the number of threads.
  const std::int64_t width = panel_columns<T>();
  const std::int64_t panels = (call.n + width - 1) / width;
  const std::int64_t row_blocks = (call.m + block_rows - 1) / block_rows;
  const std::int64_t group =
      std::clamp<std::int64_t>(call.batch * row_blocks * panels / (2 * num_threads()), 1, block_panels);
  const std::int64_t groups = (panels + group - 1) / group;
  // Few panels and many rows (a tall product): shorter blocks of rows keep all threads busy.
  const std::int64_t wanted = std::min<std::int64_t>(2 * num_threads(), (call.m + 31) / 32);
  const std::int64_t row_pieces =
      std::max(row_blocks, std::min(wanted, (wanted + call.batch * groups - 1) / (call.batch * groups)));
  const std::int64_t units = call.batch * row_pieces * groups;
  const auto unit_work = static_cast<double>(call.m) * static_cast<double>(call.n) *
                         static_cast<double>(call.k) / static_cast<double>(row_pieces * groups);
  const std::int64_t grain = unit_work > 2.5e5 ? 1 : static_cast<std::int64_t>(2.5e5 / (unit_work + 1)) + 1;

  parallel_for(units, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t index = unit / (row_pieces * groups);
      const std::int64_t piece = unit / groups % row_pieces;
      const std::int64_t column = unit % groups * group * width;
      const std::int64_t row_begin = call.m * piece / row_pieces;
      const std::int64_t row_end = call.m * (piece + 1) / row_pieces;
      GemmCall<T> one = call;
      one.a.data += index * call.a_step;
      one.b.data += index * call.b_step;
      one.c += index * call.c_step;
      multiply_unit(one, row_begin, row_end - row_begin, column, std::min(group * width, call.n - column));
    }
  });
}

template void gemm_cpu(const GemmCall<float>& call);
template void gemm_cpu(const GemmCall<double>& call);

template <class T>
GemmCall<T> make_gemm_call(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options) {
  const auto is_matrix = [&](const Tensor& x) {
    return x.dim() == 2 || (x.dim() == 3 && c.dim() == 3 && x.size(0) == c.size(0));
  };
  check<ShapeError>((c.dim() == 2 || c.dim() == 3) && is_matrix(a) && is_matrix(b),
                    "gemm: expected matrices or batches of them, got {} x {} -> {}", a.shape(), b.shape(),
                    c.shape());
  GemmCall<T> call;
  call.m = c.size(-2);
  call.n = c.size(-1);
  call.k = a.size(options.trans_a ? -2 : -1);
  check<ShapeError>(a.size(options.trans_a ? -1 : -2) == call.m &&
                        b.size(options.trans_b ? -1 : -2) == call.k &&
                        b.size(options.trans_b ? -2 : -1) == call.n,
                    "gemm: {}{} x {}{} does not give {}", a.shape(), options.trans_a ? " transposed" : "",
                    b.shape(), options.trans_b ? " transposed" : "", c.shape());
  call.a = {a.data<T>(), options.trans_a ? call.m : call.k, options.trans_a};
  call.b = {b.data<T>(), options.trans_b ? call.k : call.n, options.trans_b};
  call.c = c.mutable_data<T>();
  call.c_stride = call.n;
  call.alpha = static_cast<T>(options.alpha);
  call.beta = static_cast<T>(options.beta);
  call.batch = c.dim() == 3 ? c.size(0) : 1;
  call.a_step = a.dim() == 3 ? call.m * call.k : 0;
  call.b_step = b.dim() == 3 ? call.k * call.n : 0;
  call.c_step = call.m * call.n;
  return call;
}

template GemmCall<float> make_gemm_call(const Tensor&, const Tensor&, Tensor&, const GemmOptions&);
template GemmCall<double> make_gemm_call(const Tensor&, const Tensor&, Tensor&, const GemmOptions&);

void Gemm::cpu(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options) {
  dispatch_floating(name, c.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    gemm_cpu(make_gemm_call<T>(a, b, c, options));
  });
}

}  // namespace gnn::kernels
