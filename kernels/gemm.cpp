#include "gnn/kernels/gemm.h"

#include <algorithm>

#include "gnn/core/check.h"
#include "gnn/kernels/activation_math.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/gemm_few_rows.h"
#include "gnn/kernels/gemm_nonzeros.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/transpose_tile.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

/// Rows of the left matrix that a thread multiplies at a time: 256 × gemm_depth floats are 128 KiB, which the
/// second-level cache holds while the panels of a unit pass by.
constexpr std::int64_t block_rows = 256;
/// The same where the left matrix is listed: the lists, 128 KiB, are to stay there.
constexpr std::int64_t listed_block_rows = 128;
/// The same for a product that is turned over, whose panel is packed again for every block; the sums of a
/// block, 512 × 64 floats, are 128 KiB.
constexpr std::int64_t turned_block_rows = 512;
/// Distance of its rows when it was turned; not a power of two, which would put them all into the same sets.
constexpr std::int64_t left_stride = gemm_depth + 16;
/// Panels per unit of work, at most: what a unit reads of the left matrix serves that many panels.
constexpr std::int64_t block_panels = 4;
/// The same where the depth is a single block: no sums are read again that further panels would drive out.
constexpr std::int64_t shallow_block_panels = 16;

/// panel[p][j] = scale · op(b)[p][j] for p < depth, j < columns, zeros up to j = width.
template <class T>
[[gnu::always_inline]] inline void pack_panel(const Matrix<T>& b, std::int64_t depth, std::int64_t columns,
                                              std::int64_t width, T scale, T* panel) {
  if (columns < width) std::fill_n(panel, depth * width, T{0});
  if (b.transposed) {
    transpose_into(b.data, b.stride, columns, depth, panel, width, [scale](auto& value) { value *= scale; });
    return;
  }
  for (std::int64_t p = 0; p < depth; ++p) {
    // Far ahead: rows are short pieces a long way apart, which hardware does not foresee.
    const T* ahead = b.data + std::min(p + 8, depth - 1) * b.stride;
    for (std::int64_t j = 0; j < columns; j += 16) __builtin_prefetch(ahead + j);
    for (std::int64_t j = 0; j < columns; ++j) panel[p * width + j] = scale * b.data[p * b.stride + j];
  }
}

/// The call's activation on a block that was just written and is still in a cache.
template <class T>
[[gnu::always_inline]] inline void activate(const GemmCall<T>& call, T* c, std::int64_t stride,
                                            std::int64_t rows, std::int64_t columns) {
  if (!call.relu) return;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) c[i * stride + j] = Relu<T>{}.value(c[i * stride + j]);
  }
}

/// A block of op(a), whose rows lie `left_stride` apart in `left` if it was transposed.
template <class T>
[[gnu::always_inline]] inline const T* left_block(const GemmCall<T>& call, std::int64_t row_begin,
                                                  std::int64_t rows, std::int64_t depth_begin,
                                                  std::int64_t depth, T* left) {
  if (!call.a.transposed) return call.a.data + row_begin * call.a.stride + depth_begin;
  transpose_into(call.a.data + depth_begin * call.a.stride + row_begin, call.a.stride, depth, rows, left,
                 left_stride);
  return left;
}

/// Columns of op(b) from `j` on as a panel.
template <class T>
[[gnu::always_inline]] inline void pack_right(const GemmCall<T>& call, std::int64_t depth_begin,
                                              std::int64_t depth, std::int64_t j, std::int64_t columns,
                                              std::int64_t width, T* panel) {
  const std::int64_t offset =
      call.b.transposed ? j * call.b.stride + depth_begin : depth_begin * call.b.stride + j;
  pack_panel<T>({call.b.data + offset, call.b.stride, call.b.transposed}, depth, columns, width, call.alpha,
                panel);
}

/// The start of a block of sums, c's columns from `j` on and depth from `depth_begin` on: c itself, the bias,
/// or nothing.
template <class Block, class T>
[[gnu::always_inline]] inline void set_start(const GemmCall<T>& call, std::int64_t depth_begin,
                                             std::int64_t j, Block& block) {
  if (depth_begin > 0 || call.beta != 0) {
    block.start = block.c;
    block.start_stride = call.c_stride;
  } else if (call.column_bias != nullptr) {
    block.start = call.column_bias + j;
  }
}

/// The part of a product that one thread does at a time: rows × columns of c.
template <class T>
[[gnu::always_inline]] inline void multiply_unit(const GemmCall<T>& call, std::int64_t row_begin,
                                                 std::int64_t rows, std::int64_t column_begin,
                                                 std::int64_t columns) {
  const std::int64_t width = panel_columns<T>();
  alignas(64) T panel[gemm_depth * max_panel_columns];
  // A transposed left matrix is turned first: its depth lies too far apart for the caches.
  alignas(64) T left[block_rows * left_stride];
  const std::int64_t row_stride = call.a.transposed ? left_stride : call.a.stride;
  std::int64_t row_offsets[block_rows];
  for (std::int64_t i = 0; i < rows; ++i) row_offsets[i] = i * row_stride;

  std::int64_t depth_begin = 0;
  do {  // once at least: without depth the result is its start
    const std::int64_t depth = std::min(gemm_depth, call.k - depth_begin);
    GemmBlock<T> block{};
    block.a = left_block(call, row_begin, rows, depth_begin, depth, left);
    block.rows = row_offsets;
    block.row_count = rows;
    block.depth = depth;
    block.b = panel;
    block.c_stride = call.c_stride;
    for (std::int64_t j = column_begin; j < column_begin + columns; j += width) {
      block.columns = std::min(width, column_begin + columns - j);
      pack_right(call, depth_begin, depth, j, block.columns, width, panel);
      block.c = call.c + row_begin * call.c_stride + j;
      set_start(call, depth_begin, j, block);
      multiply_block(block);
    }
    depth_begin += gemm_depth;
  } while (depth_begin < call.k);
  activate(call, call.c + row_begin * call.c_stride + column_begin, call.c_stride, rows, columns);
}

/// The same out of lists of the left matrix's elements that are not zero; k > 0.
template <class T>
[[gnu::always_inline]] inline void multiply_listed_unit(const GemmCall<T>& call, std::int64_t row_begin,
                                                        std::int64_t rows, std::int64_t column_begin,
                                                        std::int64_t columns) {
  alignas(64) T panel[gemm_depth * max_panel_columns];
  alignas(64) T left[listed_block_rows * left_stride];
  T factors[listed_block_rows * term_list_size];
  std::int32_t places[listed_block_rows * term_list_size];
  std::int32_t counts[listed_block_rows];

  for (std::int64_t depth_begin = 0; depth_begin < call.k; depth_begin += gemm_depth) {
    const std::int64_t depth = std::min(gemm_depth, call.k - depth_begin);
    const std::int64_t width = term_panel_columns<T>(depth);
    const LeftBlock<T> source{left_block(call, row_begin, rows, depth_begin, depth, left),
                              call.a.transposed ? left_stride : call.a.stride,
                              rows,
                              depth,
                              width,
                              {factors, places, counts}};
    TermBlock<T> block{};
    block.lists = source.lists;
    block.row_count = rows;
    block.b = panel;
    block.c_stride = call.c_stride;
    enum class Listed { nothing, nonzeros, all } listed = Listed::nothing;
    for (std::int64_t j = column_begin; j < column_begin + columns; j += width) {
      block.columns = std::min(width, column_begin + columns - j);
      pack_right(call, depth_begin, depth, j, block.columns, width, panel);
      // 0 · b is not zero where b is infinite or NaN.
      const Listed wanted = all_finite(panel, depth * width) ? Listed::nonzeros : Listed::all;
      if (listed != wanted) wanted == Listed::all ? list_all(source) : list_nonzeros(source);
      listed = wanted;
      block.c = call.c + row_begin * call.c_stride + j;
      set_start(call, depth_begin, j, block);
      multiply_terms(block);
    }
  }
  activate(call, call.c + row_begin * call.c_stride + column_begin, call.c_stride, rows, columns);
}

/// The same for c' (columns × rows of c) out of op(b)' and op(a)': `rows` are columns of c, and one panel
/// holds the columns. Sums are the same to the last bit.
template <class T>
[[gnu::always_inline]] inline void multiply_turned_unit(const GemmCall<T>& call, std::int64_t row_begin,
                                                        std::int64_t rows, std::int64_t column_begin,
                                                        std::int64_t columns) {
  const std::int64_t width = panel_columns<T>();
  // Whole vectors, on every CPU: a small batch does not fill the panel.
  constexpr std::int64_t most_lanes = 64 / sizeof(T);
  const std::int64_t computed = std::min(width, (columns + most_lanes - 1) / most_lanes * most_lanes);
  alignas(64) T panel[gemm_depth * max_panel_columns];
  alignas(64) T turned[turned_block_rows * max_panel_columns];
  std::int64_t row_offsets[turned_block_rows];
  for (std::int64_t i = 0; i < rows; ++i) row_offsets[i] = (row_begin + i) * call.b.stride;

  for (std::int64_t depth_begin = 0; depth_begin == 0 || depth_begin < call.k; depth_begin += gemm_depth) {
    const std::int64_t depth = std::min(gemm_depth, call.k - depth_begin);
    const std::int64_t a_offset = call.a.transposed ? depth_begin * call.a.stride + column_begin
                                                    : column_begin * call.a.stride + depth_begin;
    pack_panel<T>({call.a.data + a_offset, call.a.stride, !call.a.transposed}, depth, columns, width,
                  call.alpha, panel);
    GemmBlock<T> block{};
    block.a = call.b.data + depth_begin;
    block.rows = row_offsets;
    block.row_count = rows;
    block.depth = depth;
    block.b = panel;
    block.columns = computed;
    block.c = turned;
    block.c_stride = width;
    if (depth_begin > 0) {
      block.start = turned;
      block.start_stride = width;
    } else if (call.column_bias != nullptr) {
      block.row_start = call.column_bias + row_begin;
    }
    multiply_block(block);
  }
  activate(call, turned, width, rows, columns);
  // Some rows of c at a time, whose cache lines are then filled at once: often all rows of c lie in few sets
  // of the first-level cache.
  constexpr std::int64_t turned_rows = 64;
  constexpr std::int64_t turned_columns = 4;
  T* c = call.c + column_begin * call.c_stride + row_begin;
  for (std::int64_t i = 0; i < rows; i += turned_rows) {
    for (std::int64_t j = 0; j < columns; j += turned_columns) {
      transpose_into(turned + i * width + j, width, std::min(turned_rows, rows - i),
                     std::min(turned_columns, columns - j), c + j * call.c_stride + i, call.c_stride);
    }
  }
}

/// True when turning the product over costs less: elements to pack (once for every block of rows, with the
/// last panel padded) and, turned, to write a second time. A product of few rows, a small batch times a
/// weight, then packs the batch and reads the weight in place.
template <class T>
bool turn_over(const GemmCall<T>& call) {
  // Turned, op(b)' must have rows that lie side by side, and a single row would fill one lane of a vector.
  if (call.beta != 0 || !call.b.transposed || call.m < 8) return false;
  const std::int64_t width = panel_columns<T>();
  const auto packed = [&](std::int64_t rows, std::int64_t columns, std::int64_t most_rows) {
    return call.k * ((columns + width - 1) / width * width) * ((rows + most_rows - 1) / most_rows);
  };
  return packed(call.n, call.m, turned_block_rows) + 2 * call.m * call.n < packed(call.m, call.n, block_rows);
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
  if (has_few_rows(call)) return multiply_few_rows(call);
  if (call.beta != 0 && (call.beta != 1 || call.column_bias != nullptr)) scale_start(call);

  // How the work is cut changes no result (see gemm_tile.h), so it may depend on the number of threads.
  const bool skip_zeros = has_many_zeros(call);
  const bool turned = !skip_zeros && turn_over(call);
  const std::int64_t rows = turned ? call.n : call.m;
  const std::int64_t columns = turned ? call.m : call.n;
  const std::int64_t width = panel_columns<T>();
  const std::int64_t panels = (columns + width - 1) / width;
  const std::int64_t most_rows = turned ? turned_block_rows : skip_zeros ? listed_block_rows : block_rows;
  const std::int64_t row_blocks = (rows + most_rows - 1) / most_rows;
  // What is listed of the left matrix serves all panels of a unit: as many as there are for each thread.
  const std::int64_t group =
      turned       ? 1
      : skip_zeros ? std::max<std::int64_t>(call.batch * row_blocks * panels / num_threads(), 1)
                   : std::clamp<std::int64_t>(call.batch * row_blocks * panels / (2 * num_threads()), 1,
                                              call.k <= gemm_depth ? shallow_block_panels : block_panels);
  std::int64_t groups = (panels + group - 1) / group;
  // Few panels and many rows (a tall product): shorter blocks of rows keep all threads busy. With lists no
  // more than that: each packs the right matrix again.
  const std::int64_t threads = num_threads();
  const std::int64_t most_pieces = threads == 1 ? 1 : skip_zeros ? threads : 2 * threads;
  const std::int64_t wanted = std::min<std::int64_t>(most_pieces, (rows + 31) / 32);
  const std::int64_t row_pieces =
      std::max(row_blocks, std::min(wanted, (wanted + call.batch * groups - 1) / (call.batch * groups)));
  // As many units for each thread, as equal as possible: 13 panels are 6 + 7, not 3 + 3 + 3 and 3 + 1.
  if (call.batch * row_pieces * groups % threads != 0) {
    groups = std::min(panels, (groups + threads - 1) / threads * threads);
  }
  const std::int64_t units = call.batch * row_pieces * groups;
  const auto unit_work = static_cast<double>(call.m) * static_cast<double>(call.n) *
                         static_cast<double>(call.k) / static_cast<double>(row_pieces * groups);
  const std::int64_t grain = unit_work > 2.5e5 ? 1 : static_cast<std::int64_t>(2.5e5 / (unit_work + 1)) + 1;

  parallel_for(units, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t index = unit / (row_pieces * groups);
      const std::int64_t piece = unit / groups % row_pieces;
      const std::int64_t column = panels * (unit % groups) / groups * width;
      const std::int64_t column_end = std::min(panels * (unit % groups + 1) / groups * width, columns);
      const std::int64_t row_begin = rows * piece / row_pieces;
      const std::int64_t row_count = rows * (piece + 1) / row_pieces - row_begin;
      GemmCall<T> one = call;
      one.a.data += index * call.a_step;
      one.b.data += index * call.b_step;
      one.c += index * call.c_step;
      if (skip_zeros) {
        multiply_listed_unit(one, row_begin, row_count, column, column_end - column);
      } else if (turned) {
        multiply_turned_unit(one, row_begin, row_count, column, column_end - column);
      } else {
        multiply_unit(one, row_begin, row_count, column, column_end - column);
      }
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
