#include "gnn/kernels/sum_to.h"

#include <algorithm>
#include <array>
#include <vector>

#include "gnn/core/check.h"
#include "gnn/kernels/broadcast.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

namespace {

// The work is cut into tasks by shape alone: a tile of neighbouring results times a chunk of the terms. Where
// a result has several chunks, their partial sums are added in order afterwards.
constexpr std::int64_t tile_width = 256;
constexpr std::int64_t chunk_elements = 65536;
constexpr std::int64_t max_chunks = 16;
constexpr std::int64_t enough_tiles = 64;

/// f(offset, n) for the terms [begin, end), in runs of n that are summed.inner_stride() apart.
template <class F>
void for_each_run(const Strided& summed, std::int64_t begin, std::int64_t end, const F& f) {
  const std::int64_t size = summed.inner_size();
  for (std::int64_t t = begin; t < end;) {
    const std::int64_t n = std::min(end - t, size - t % size);
    f(summed.offset(t), n);
    t += n;
  }
}

/// The sum of n neighbours. Eight partial sums: a vector of float64.
template <class T>
double sum_run(const T* x, std::int64_t n) {
  std::array<double, 8> sums{};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) {
      sums[lane] += static_cast<double>(x[static_cast<std::size_t>(i) + lane]);
    }
  }
  for (std::size_t lane = 0; i < n; ++i, ++lane) sums[lane] += static_cast<double>(x[i]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/// sums[0 … width) = the sums of the terms [begin, end) for `width` results whose terms are neighbours.
template <class T>
void sum_columns(const T* x, std::int64_t width, const Strided& summed, std::int64_t begin, std::int64_t end,
                 double* sums) {
  std::fill_n(sums, width, 0.0);
  const std::int64_t stride = summed.inner_stride();
  for_each_run(summed, begin, end, [=](std::int64_t offset, std::int64_t n) {
    for (std::int64_t t = 0; t < n; ++t) {
      const T* const row = x + offset + t * stride;
      for (std::int64_t k = 0; k < width; ++k) sums[k] += static_cast<double>(row[k]);
    }
  });
}

template <class T>
void sum_to(const T* x, double scale, T* y, const SumLayout& layout) {
  const std::int64_t results = layout.kept.count();
  const std::int64_t terms = layout.summed.count();
  if (terms == 0) {
    std::fill_n(y, results, T{0});
    return;
  }
  if (results == 0) return;
  // Results with neighbouring terms lie in rows of `row`, cut into tiles.
  const std::int64_t row = layout.inner_summed ? 1 : layout.kept.inner_size();
  const std::int64_t row_tiles = (row + tile_width - 1) / tile_width;
  const std::int64_t tiles = results / row * row_tiles;
  const std::int64_t wanted = (terms * std::min(row, tile_width) + chunk_elements - 1) / chunk_elements;
  const std::int64_t chunks = tiles >= enough_tiles ? 1 : std::clamp<std::int64_t>(wanted, 1, max_chunks);
  const std::int64_t chunk = (terms + chunks - 1) / chunks;

  std::vector<double> partial(chunks > 1 ? static_cast<std::size_t>(chunks * results) : 0);
  double* const partials = partial.data();
  const std::int64_t task_elements = std::max<std::int64_t>(chunk * std::min(row, tile_width), 1);
  parallel_for(
      tiles * chunks, elementwise_grain / task_elements, [=, &layout](std::int64_t begin, std::int64_t end) {
        std::array<double, tile_width> sums;
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t tile = task / chunks;
          const std::int64_t from = std::min(terms, task % chunks * chunk);
          const std::int64_t to = std::min(terms, from + chunk);
          const std::int64_t first = tile / row_tiles * row + tile % row_tiles * tile_width;
          const std::int64_t width =
              layout.inner_summed ? 1 : std::min(tile_width, row - tile % row_tiles * tile_width);
          const T* const source = x + layout.kept.offset(first);
          if (layout.inner_summed) {
            double sum = 0;
            for_each_run(layout.summed, from, to,
                         [&](std::int64_t offset, std::int64_t n) { sum += sum_run(source + offset, n); });
            sums[0] = sum;
          } else {
            sum_columns(source, width, layout.summed, from, to, sums.data());
          }
          if (chunks > 1) {
            std::copy_n(sums.data(), width, partials + task % chunks * results + first);
          } else {
            for (std::int64_t k = 0; k < width; ++k) {
              y[first + k] = static_cast<T>(sums[static_cast<std::size_t>(k)] * scale);
            }
          }
        }
      });
  if (chunks == 1) return;
  for (std::int64_t k = 0; k < results; ++k) {
    double sum = 0;
    for (std::int64_t c = 0; c < chunks; ++c) sum += partials[c * results + k];
    y[k] = static_cast<T>(sum * scale);
  }
}

}  // namespace

namespace detail {

void check_sum_to(const Tensor& x, const Tensor& y) {
  check<ShapeError>(broadcast_shapes(SumTo::name, x.shape(), y.shape()) == x.shape(),
                    "{}: {} does not broadcast to {}", SumTo::name, y.shape(), x.shape());
  check<DTypeError>(x.dtype() == y.dtype(), "{}: expected {}, got {}", SumTo::name, x.dtype(), y.dtype());
}

}  // namespace detail

void SumTo::cpu(const Tensor& x, double scale, Tensor& y) {
  detail::check_sum_to(x, y);
  const SumLayout layout = sum_layout(x.shape(), y.shape());
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    sum_to(x.data<T>(), scale, y.mutable_data<T>(), layout);
  });
}

}  // namespace gnn::kernels
