#pragma once

// The loop that all CPU reductions share. Not installed.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/reduce.h"

namespace gnn::kernels {

/// Outputs that are accumulated side by side, so that the loop over them vectorises.
inline constexpr std::int64_t reduce_columns = 256;
/// Partial results of one output, where the reduced values are neighbours in memory.
inline constexpr std::int64_t reduce_lanes = 32;
/// Input elements that are worth a thread.
inline constexpr std::int64_t reduce_grain = 65536;

/// Sums `load(offset)` in float64 and gives scale * sum to y.
template <class T, class Load>
struct SumLoop {
  using Partial = double;
  Load load;
  double scale;
  T* y;

  struct Lanes {
    double sum[reduce_columns];
    void clear(std::int64_t count) { std::fill(sum, sum + count, 0.0); }
    void step(const SumLoop& op, std::int64_t offset, std::int64_t count, std::int64_t) {
      for (std::int64_t k = 0; k < count; ++k) sum[k] += static_cast<double>(op.load(offset + k));
    }
    Partial get(std::int64_t k, std::int64_t, std::int64_t) const { return sum[k]; }
  };
  static Partial merge(Partial a, Partial b) { return a + b; }
  void store(std::int64_t output, Partial sum) const { y[output] = static_cast<T>(scale * sum); }
};

/// Reduces [outer, reduced, inner] with `Op`: see SumLoop for what an Op has. Lanes accumulate `count`
/// neighbouring columns; step(op, offset, count, row) takes one row of them, get(k, begin, stride) returns
/// column k when `row` stood for the reduced index begin + row * stride.
template <class Op>
void reduce_loops(const Op& op, const ReduceDims& dims) {
  using Partial = typename Op::Partial;
  const std::int64_t outer = dims.outer, reduced = dims.reduced, inner = dims.inner;
  if (outer == 0 || inner == 0) return;
  const std::int64_t width = std::min(inner, reduce_columns);
  const std::int64_t blocks = (inner + width - 1) / width;
  const std::int64_t tasks = outer * blocks;
  // Too few outputs to keep the threads busy: cut the reduced dimension as well. A function of the shape
  // alone.
  std::int64_t chunks = 1;
  if (tasks < 64) chunks = std::clamp<std::int64_t>(reduced * width / reduce_grain, 1, 64);
  const std::int64_t chunk = (reduced + chunks - 1) / chunks;
  std::vector<Partial> partials(chunks > 1 ? static_cast<std::size_t>(outer * chunks * inner) : 0);
  Partial* const partial = partials.data();

  const auto loop = [=](std::int64_t begin, std::int64_t end) {
    typename Op::Lanes lanes;
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t c = task % chunks;
      const std::int64_t block = task / chunks % blocks;
      const std::int64_t o = task / chunks / blocks;
      const std::int64_t first = std::min(c * chunk, reduced);
      const std::int64_t rows = std::min(chunk, reduced - first);
      const auto put = [&](std::int64_t i, Partial value) {
        if (chunks > 1) {
          partial[(o * chunks + c) * inner + i] = value;
        } else {
          op.store(o * inner + i, value);
        }
      };
      if (inner == 1) {
        lanes.clear(reduce_lanes);
        const std::int64_t offset = o * reduced + first;
        std::int64_t r = 0;
        for (; r + reduce_lanes <= rows; r += reduce_lanes) {
          lanes.step(op, offset + r, reduce_lanes, r / reduce_lanes);
        }
        lanes.step(op, offset + r, rows - r, r / reduce_lanes);
        Partial value = lanes.get(0, first, reduce_lanes);
        for (std::int64_t k = 1; k < std::min(rows, reduce_lanes); ++k) {
          value = Op::merge(value, lanes.get(k, first + k, reduce_lanes));
        }
        put(0, value);
      } else {
        const std::int64_t column = block * width;
        const std::int64_t count = std::min(width, inner - column);
        lanes.clear(count);
        for (std::int64_t r = 0; r < rows; ++r) {
          lanes.step(op, (o * reduced + first + r) * inner + column, count, r);
        }
        for (std::int64_t k = 0; k < count; ++k) put(column + k, lanes.get(k, first, 1));
      }
    }
  };
  const std::int64_t work = std::max<std::int64_t>(chunk * width, 1);
  parallel_for(tasks * chunks, reduce_grain / work, loop);
  if (chunks == 1) return;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < inner; ++i) {
      Partial value = partial[o * chunks * inner + i];
      for (std::int64_t c = 1; c < chunks; ++c)
        value = Op::merge(value, partial[(o * chunks + c) * inner + i]);
      op.store(o * inner + i, value);
    }
  }
}

}  // namespace gnn::kernels
