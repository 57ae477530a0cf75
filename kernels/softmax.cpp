#include "gnn/kernels/softmax.h"

#include <cmath>

#include "gnn/kernels/fast_exp.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/row_loops.h"

namespace gnn::kernels {
namespace {

// Elements worth a thread: an exp costs about four times what an addition does.
constexpr std::int64_t softmax_grain = elementwise_grain / 4;
// Columns worked on side by side where the softmax runs over rows.
constexpr std::int64_t max_columns = 256;

/// piece(offset, columns) for every block of at most max_columns neighbouring columns: the offset of its
/// first element.
template <class Piece>
void for_column_blocks(const ReduceDims& dims, const Piece& piece) {
  const std::int64_t reduced = dims.reduced, inner = dims.inner;
  const std::int64_t blocks = (inner + max_columns - 1) / max_columns;
  const std::int64_t work = std::max<std::int64_t>(reduced * std::min(inner, max_columns), 1);
  parallel_for(dims.outer * blocks, softmax_grain / work, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task % blocks * max_columns;
      piece(task / blocks * reduced * inner + first, std::min(max_columns, inner - first));
    }
  });
}

template <class T>
void forward_rows(const T* x, std::int64_t rows, std::int64_t count, bool log, T* y) {
  const std::int64_t grain = softmax_grain / std::max<std::int64_t>(count, 1);
  parallel_for(rows, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* const in = x + row * count;
      T* const out = y + row * count;
      const T largest = row_max(in, count);
      if (log) {
        const double sum = row_sum(count, [=](std::int64_t j) { return fast_exp(in[j] - largest); });
        const T log_sum = static_cast<T>(std::log(sum));
        for (std::int64_t j = 0; j < count; ++j) out[j] = (in[j] - largest) - log_sum;
      } else {
        const double sum = row_sum(count, [=](std::int64_t j) { return out[j] = fast_exp(in[j] - largest); });
        const T scale = static_cast<T>(1 / sum);
        for (std::int64_t j = 0; j < count; ++j) out[j] *= scale;
      }
    }
  });
}

template <class T>
void forward_columns(const T* x, const ReduceDims& dims, bool log, T* y) {
  for_column_blocks(dims,
                    [=, reduced = dims.reduced, inner = dims.inner](std::int64_t offset, std::int64_t count) {
                      T largest[max_columns];
                      double sum[max_columns];
                      std::fill(largest, largest + count, -std::numeric_limits<T>::infinity());
                      std::fill(sum, sum + count, 0.0);
                      for (std::int64_t r = 0; r < reduced; ++r) {
                        const T* const in = x + offset + r * inner;
                        for (std::int64_t k = 0; k < count; ++k)
                          largest[k] = in[k] > largest[k] ? in[k] : largest[k];
                      }
                      for (std::int64_t r = 0; r < reduced; ++r) {
                        const T* const in = x + offset + r * inner;
                        T* const out = y + offset + r * inner;
                        for (std::int64_t k = 0; k < count; ++k) {
                          const T e = fast_exp(in[k] - largest[k]);
                          out[k] = e;
                          sum[k] += static_cast<double>(e);
                        }
                      }
                      T last[max_columns];  // what finishes an element: a factor, or a term to subtract
                      for (std::int64_t k = 0; k < count; ++k)
                        last[k] = static_cast<T>(log ? std::log(sum[k]) : 1 / sum[k]);
                      for (std::int64_t r = 0; r < reduced; ++r) {
                        const T* const in = x + offset + r * inner;
                        T* const out = y + offset + r * inner;
                        for (std::int64_t k = 0; k < count; ++k) {
                          out[k] = log ? (in[k] - largest[k]) - last[k] : out[k] * last[k];
                        }
                      }
                    });
}

template <class T>
void backward_rows(const T* y, const T* dy, std::int64_t rows, std::int64_t count, bool log, T* dx) {
  const std::int64_t grain = softmax_grain / std::max<std::int64_t>(count, 1);
  parallel_for(rows, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* const out = y + row * count;
      const T* const grad = dy + row * count;
      T* const in = dx + row * count;
      if (log) {
        const T sum = static_cast<T>(row_sum(count, [=](std::int64_t j) { return grad[j]; }));
        for (std::int64_t j = 0; j < count; ++j) in[j] = grad[j] - fast_exp(out[j]) * sum;
      } else {
        const T sum = static_cast<T>(row_sum(count, [=](std::int64_t j) { return grad[j] * out[j]; }));
        for (std::int64_t j = 0; j < count; ++j) in[j] = out[j] * (grad[j] - sum);
      }
    }
  });
}

template <class T>
void backward_columns(const T* y, const T* dy, const ReduceDims& dims, bool log, T* dx) {
  for_column_blocks(dims,
                    [=, reduced = dims.reduced, inner = dims.inner](std::int64_t offset, std::int64_t count) {
                      double sum[max_columns];
                      std::fill(sum, sum + count, 0.0);
                      for (std::int64_t r = 0; r < reduced; ++r) {
                        const T* const out = y + offset + r * inner;
                        const T* const grad = dy + offset + r * inner;
                        for (std::int64_t k = 0; k < count; ++k)
                          sum[k] += static_cast<double>(log ? grad[k] : grad[k] * out[k]);
                      }
                      for (std::int64_t r = 0; r < reduced; ++r) {
                        const T* const out = y + offset + r * inner;
                        const T* const grad = dy + offset + r * inner;
                        T* const in = dx + offset + r * inner;
                        if (log) {
                          for (std::int64_t k = 0; k < count; ++k)
                            in[k] = grad[k] - fast_exp(out[k]) * static_cast<T>(sum[k]);
                        } else {
                          for (std::int64_t k = 0; k < count; ++k)
                            in[k] = out[k] * (grad[k] - static_cast<T>(sum[k]));
                        }
                      }
                    });
}

}  // namespace

void SoftmaxForward::cpu(const Tensor& x, const ReduceDims& dims, bool log, Tensor& y) {
  check_reduce_dims(name, dims, x, {});
  check_reduce_dims(name, dims, y, {});
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if (dims.inner == 1) {
      forward_rows(x.data<T>(), dims.outer, dims.reduced, log, y.mutable_data<T>());
    } else {
      forward_columns(x.data<T>(), dims, log, y.mutable_data<T>());
    }
  });
}

void SoftmaxBackward::cpu(const Tensor& y, const Tensor& dy, const ReduceDims& dims, bool log, Tensor& dx) {
  check_reduce_dims(name, dims, y, {});
  check_reduce_dims(name, dims, dy, {});
  check_reduce_dims(name, dims, dx, {});
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if (dims.inner == 1) {
      backward_rows(y.data<T>(), dy.data<T>(), dims.outer, dims.reduced, log, dx.mutable_data<T>());
    } else {
      backward_columns(y.data<T>(), dy.data<T>(), dims, log, dx.mutable_data<T>());
    }
  });
}

}  // namespace gnn::kernels
