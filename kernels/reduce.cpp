#include "gnn/kernels/reduce.h"

#include <array>

#include "gnn/core/check.h"
#include "gnn/kernels/reduce_loops.h"

namespace gnn {

AxisMask Axes::mask(const char* op, const Shape& shape) const {
  AxisMask mask;
  if (axes_.empty()) {
    for (std::size_t axis = 0; axis < shape.dim(); ++axis) mask.set(axis);
    return mask;
  }
  const auto dims = static_cast<std::int64_t>(shape.dim());
  for (const std::int64_t axis : axes_) {
    check<IndexError>(axis >= -dims && axis < dims, "{}: axis {} is out of range for an input of shape {}",
                      op, axis, shape);
    const std::size_t index = shape.normalize_axis(axis);
    check<ValueError>(!mask.test(index), "{}: axis {} is named twice (input of shape {})", op, index, shape);
    mask.set(index);
  }
  return mask;
}

Shape reduced_shape(const Shape& shape, AxisMask mask, bool keepdim) {
  std::array<std::int64_t, Shape::max_dims> sizes{};
  std::size_t dim = 0;
  for (std::size_t axis = 0; axis < shape.dim(); ++axis) {
    if (!mask.test(axis)) {
      sizes[dim++] = shape[axis];
    } else if (keepdim) {
      sizes[dim++] = 1;
    }
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), dim));
}

namespace kernels {
namespace {

// The largest value so far of each lane and the row it was in.
template <class T>
struct MaxLoop {
  struct Partial {
    T value;
    std::int64_t index;
  };
  const T* x;
  T* values;
  std::int64_t* indices;

  static bool better(T candidate, T best) {
    return (candidate > best) | ((candidate != candidate) & (best == best));
  }

  struct Lanes {
    // As wide as T, so that both vectorise alike. Max::cpu checks that they fit.
    using Row = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    T best[reduce_columns];
    Row at[reduce_columns];

    void clear(std::int64_t count) {
      std::fill(best, best + count, -std::numeric_limits<T>::infinity());
      std::fill(at, at + count, Row{0});
    }
    void step(const MaxLoop& op, std::int64_t offset, std::int64_t count, std::int64_t row) {
      const T* const x = op.x + offset;
      for (std::int64_t k = 0; k < count; ++k) {
        const bool take = better(x[k], best[k]);
        at[k] = take ? static_cast<Row>(row) : at[k];
        best[k] = take ? x[k] : best[k];
      }
    }
    Partial get(std::int64_t k, std::int64_t begin, std::int64_t stride) const {
      return {best[k], begin + static_cast<std::int64_t>(at[k]) * stride};
    }
  };

  static Partial merge(const Partial& a, const Partial& b) {
    if (better(b.value, a.value)) return b;
    if (better(a.value, b.value)) return a;
    return b.index < a.index ? b : a;
  }
  void store(std::int64_t output, const Partial& best) const {
    if (values != nullptr) values[output] = best.value;
    if (indices != nullptr) indices[output] = best.index;
  }
};

}  // namespace

std::vector<ReduceDims> reduction_passes(const Shape& shape, AxisMask mask, PassOrder order) {
  struct Run {
    std::int64_t size;
    bool reduced;
  };
  std::vector<Run> runs;
  for (std::size_t axis = 0; axis < shape.dim(); ++axis) {
    if (shape[axis] == 1) continue;
    if (!runs.empty() && runs.back().reduced == mask.test(axis)) {
      runs.back().size *= shape[axis];
    } else {
      runs.push_back({shape[axis], mask.test(axis)});
    }
  }
  std::vector<ReduceDims> passes;
  while (true) {
    auto next = runs.end();
    for (auto run = runs.begin(); run != runs.end(); ++run) {
      if (!run->reduced) continue;
      if (next == runs.end() || order == PassOrder::innermost_first || run->size > next->size) next = run;
    }
    if (next == runs.end()) break;
    ReduceDims dims{1, next->size, 1};
    for (auto run = runs.begin(); run != next; ++run) dims.outer *= run->size;
    for (auto run = next + 1; run != runs.end(); ++run) dims.inner *= run->size;
    passes.push_back(dims);
    runs.erase(next);
  }
  if (passes.empty()) passes.push_back({1, 1, shape.numel()});
  return passes;
}

void check_reduce_dims(const char* kernel, const ReduceDims& dims, const Tensor& full,
                       const Tensor& reduced) {
  check<ShapeError>(full.numel() == dims.outer * dims.reduced * dims.inner,
                    "{}: expected {} x {} x {} elements, got shape {}", kernel, dims.outer, dims.reduced,
                    dims.inner, full.shape());
  check<ShapeError>(!reduced.defined() || reduced.numel() == dims.outer * dims.inner,
                    "{}: expected {} x {} reduced elements, got shape {}", kernel, dims.outer, dims.inner,
                    reduced.defined() ? reduced.shape() : Shape{});
}

void Sum::cpu(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y) {
  check_reduce_dims(name, dims, x, y);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto load = [source = x.data<T>()](std::int64_t offset) { return source[offset]; };
    reduce_loops(SumLoop<T, decltype(load)>{load, scale, y.mutable_data<T>()}, dims);
  });
}

void Expand::cpu(const Tensor& x, const ReduceDims& dims, double scale, Tensor& y) {
  check_reduce_dims(name, dims, y, x);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const source = x.data<T>();
    T* const target = y.mutable_data<T>();
    const T factor = static_cast<T>(scale);
    const std::int64_t reduced = dims.reduced, inner = dims.inner;
    if (inner == 1) {
      parallel_for<elementwise_isa<T>>(dims.outer * reduced, elementwise_grain,
                                       [=](std::int64_t begin, std::int64_t end) {
                                         while (begin < end) {
                                           const std::int64_t o = begin / reduced;
                                           const std::int64_t stop = std::min(end, (o + 1) * reduced);
                                           std::fill(target + begin, target + stop, factor * source[o]);
                                           begin = stop;
                                         }
                                       });
      return;
    }
    const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(inner, 1);
    parallel_for<elementwise_isa<T>>(inner == 0 ? 0 : dims.outer * reduced, grain,
                                     [=](std::int64_t begin, std::int64_t end) {
                                       for (std::int64_t row = begin; row < end; ++row) {
                                         const T* const from = source + row / reduced * inner;
                                         T* const to = target + row * inner;
                                         for (std::int64_t i = 0; i < inner; ++i) to[i] = factor * from[i];
                                       }
                                     });
  });
}

void Max::cpu(const Tensor& x, const ReduceDims& dims, Tensor& values, Tensor& indices) {
  check_reduce_dims(name, dims, x, values);
  check_reduce_dims(name, dims, x, indices);
  check<ShapeError>(dims.reduced > 0 || dims.outer * dims.inner == 0, "max: nothing has no largest element");
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const best = values.defined() ? values.mutable_data<T>() : nullptr;
    std::int64_t* const at = indices.defined() ? indices.mutable_data<std::int64_t>() : nullptr;
    // Row numbers are int32 where T is float32 (see Lanes); rows of a contiguous run are counted 32 elements
    // at a time.
    check<ShapeError>(dims.inner == 1 || dims.reduced < (std::int64_t{1} << 31),
                      "max: cannot reduce an axis of {} elements", dims.reduced);
    reduce_loops(MaxLoop<T>{x.data<T>(), best, at}, dims);
  });
}

void MaxBackward::cpu(const Tensor& grad, const Tensor& indices, const ReduceDims& dims, Tensor& dx) {
  check_reduce_dims(name, dims, dx, grad);
  check_reduce_dims(name, dims, dx, indices);
  dispatch_floating(name, grad.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const source = grad.data<T>();
    const std::int64_t* const at = indices.data<std::int64_t>();
    T* const target = dx.mutable_data<T>();
    const std::int64_t reduced = dims.reduced, inner = dims.inner;
    const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(inner, 1);
    parallel_for<elementwise_isa<T>>(inner == 0 ? 0 : dims.outer * reduced, grain,
                                     [=](std::int64_t begin, std::int64_t end) {
                                       for (std::int64_t row = begin; row < end; ++row) {
                                         const std::int64_t o = row / reduced, r = row % reduced;
                                         const T* const from = source + o * inner;
                                         const std::int64_t* const index = at + o * inner;
                                         T* const to = target + row * inner;
                                         for (std::int64_t i = 0; i < inner; ++i)
                                           to[i] = index[i] == r ? from[i] : T{0};
                                       }
                                     });
  });
}

void sum_axes(const Tensor& x, AxisMask mask, double scale, Tensor& y) {
  const std::vector<ReduceDims> passes = reduction_passes(x.shape(), mask, PassOrder::largest_first);
  Tensor current = x;
  for (std::size_t i = 0; i + 1 < passes.size(); ++i) {
    Tensor next = empty({passes[i].outer * passes[i].inner}, x.options());
    run<Sum>(current, passes[i], 1.0, next);
    current = next;
  }
  run<Sum>(current, passes.back(), scale, y);
}

void expand_axes(const Tensor& x, AxisMask mask, double scale, Tensor& y) {
  const std::vector<ReduceDims> passes = reduction_passes(y.shape(), mask, PassOrder::largest_first);
  Tensor current = x;
  for (std::size_t i = passes.size() - 1; i > 0; --i) {
    Tensor next = empty({passes[i].outer * passes[i].reduced * passes[i].inner}, x.options());
    run<Expand>(current, passes[i], 1.0, next);
    current = next;
  }
  run<Expand>(current, passes.front(), scale, y);
}

}  // namespace kernels
}  // namespace gnn
