#include "emulation/cudnn_arithmetic.h"

namespace gnn::emulation {
namespace {

/// Where y's position `i` reads with the kernel's element `r`; -1 outside of an image of `size`.
std::int64_t source(std::int64_t i, std::int64_t r, std::int64_t stride, std::int64_t dilation,
                    std::int64_t pad, std::int64_t size) {
  const std::int64_t at = i * stride + r * dilation - pad;
  return at < 0 || at >= size ? -1 : at;
}

/// Which of y's positions reads `at` with the kernel's element `r`; -1: none.
std::int64_t target(std::int64_t at, std::int64_t r, std::int64_t stride, std::int64_t dilation,
                    std::int64_t pad, std::int64_t positions) {
  const std::int64_t from = at + pad - r * dilation;
  return from < 0 || from % stride != 0 || from / stride >= positions ? -1 : from / stride;
}

template <class T>
class Loops {
 public:
  Loops(const CudnnGeometry& geometry, const void* x, const void* w, const void* y, T* result, double alpha,
        double beta)
      : g_(geometry),
        x_(static_cast<const T*>(x)),
        w_(static_cast<const T*>(w)),
        y_(static_cast<const T*>(y)),
        result_(result),
        alpha_(alpha),
        beta_(beta) {}

  void forward() const {
    for (std::int64_t n = 0; n < g_.n; ++n) {
      for (std::int64_t k = 0; k < g_.k; ++k) {
        const std::int64_t first = k / (g_.k / g_.groups) * g_.group_c;
        for (std::int64_t i = 0; i < g_.p; ++i) {
          for (std::int64_t j = 0; j < g_.q; ++j) {
            double sum = 0;
            for (std::int64_t c = 0; c < g_.group_c; ++c) {
              for (std::int64_t r = 0; r < g_.r; ++r) {
                const std::int64_t row = source(i, r, g_.stride_h, g_.dilation_h, g_.pad_h, g_.h);
                for (std::int64_t s = 0; row >= 0 && s < g_.s; ++s) {
                  const std::int64_t column = source(j, s, g_.stride_w, g_.dilation_w, g_.pad_w, g_.w);
                  if (column >= 0) sum += at_x(n, first + c, row, column) * at_w(k, c, r, s);
                }
              }
            }
            set(y_index(n, k, i, j), sum);
          }
        }
      }
    }
  }

  void backward_data() const {
    for (std::int64_t n = 0; n < g_.n; ++n) {
      for (std::int64_t c = 0; c < g_.c; ++c) {
        const std::int64_t group = c / g_.group_c;
        const std::int64_t group_k = g_.k / g_.groups;
        for (std::int64_t row = 0; row < g_.h; ++row) {
          for (std::int64_t column = 0; column < g_.w; ++column) {
            double sum = 0;
            for (std::int64_t k = group * group_k; k < (group + 1) * group_k; ++k) {
              for (std::int64_t r = 0; r < g_.r; ++r) {
                const std::int64_t i = target(row, r, g_.stride_h, g_.dilation_h, g_.pad_h, g_.p);
                for (std::int64_t s = 0; i >= 0 && s < g_.s; ++s) {
                  const std::int64_t j = target(column, s, g_.stride_w, g_.dilation_w, g_.pad_w, g_.q);
                  if (j >= 0) sum += at_y(n, k, i, j) * at_w(k, c % g_.group_c, r, s);
                }
              }
            }
            set(x_index(n, c, row, column), sum);
          }
        }
      }
    }
  }

  void backward_filter() const {
    for (std::int64_t k = 0; k < g_.k; ++k) {
      const std::int64_t first = k / (g_.k / g_.groups) * g_.group_c;
      for (std::int64_t c = 0; c < g_.group_c; ++c) {
        for (std::int64_t r = 0; r < g_.r; ++r) {
          for (std::int64_t s = 0; s < g_.s; ++s) {
            double sum = 0;
            for (std::int64_t n = 0; n < g_.n; ++n) {
              for (std::int64_t i = 0; i < g_.p; ++i) {
                const std::int64_t row = source(i, r, g_.stride_h, g_.dilation_h, g_.pad_h, g_.h);
                for (std::int64_t j = 0; row >= 0 && j < g_.q; ++j) {
                  const std::int64_t column = source(j, s, g_.stride_w, g_.dilation_w, g_.pad_w, g_.w);
                  if (column >= 0) sum += at_x(n, first + c, row, column) * at_y(n, k, i, j);
                }
              }
            }
            set(w_index(k, c, r, s), sum);
          }
        }
      }
    }
  }

 private:
  std::int64_t x_index(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    return ((n * g_.c + c) * g_.h + h) * g_.w + w;
  }
  std::int64_t w_index(std::int64_t k, std::int64_t c, std::int64_t r, std::int64_t s) const {
    return ((k * g_.group_c + c) * g_.r + r) * g_.s + s;
  }
  std::int64_t y_index(std::int64_t n, std::int64_t k, std::int64_t p, std::int64_t q) const {
    return ((n * g_.k + k) * g_.p + p) * g_.q + q;
  }
  double at_x(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    return static_cast<double>(x_[x_index(n, c, h, w)]);
  }
  double at_w(std::int64_t k, std::int64_t c, std::int64_t r, std::int64_t s) const {
    return static_cast<double>(w_[w_index(k, c, r, s)]);
  }
  double at_y(std::int64_t n, std::int64_t k, std::int64_t p, std::int64_t q) const {
    return static_cast<double>(y_[y_index(n, k, p, q)]);
  }
  void set(std::int64_t index, double sum) const {
    const double old = beta_ == 0 ? 0 : beta_ * static_cast<double>(result_[index]);
    result_[index] = static_cast<T>(alpha_ * sum + old);
  }

  CudnnGeometry g_;
  const T* x_;
  const T* w_;
  const T* y_;
  T* result_;
  double alpha_;
  double beta_;
};

template <class T>
void run(CudnnDirection direction, const Loops<T>& loops) {
  switch (direction) {
    case CudnnDirection::forward:
      loops.forward();
      return;
    case CudnnDirection::backward_data:
      loops.backward_data();
      return;
    case CudnnDirection::backward_filter:
      loops.backward_filter();
      return;
  }
}

}  // namespace

void convolve(CudnnDirection direction, const CudnnGeometry& geometry, cudnnDataType_t type, const void* x,
              const void* w, const void* y, void* result, double alpha, double beta) {
  if (type == CUDNN_DATA_DOUBLE) {
    run(direction, Loops<double>(geometry, x, w, y, static_cast<double*>(result), alpha, beta));
  } else {
    run(direction, Loops<float>(geometry, x, w, y, static_cast<float*>(result), alpha, beta));
  }
}

}  // namespace gnn::emulation
