#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstdint>

namespace gnn::emulation {

enum class CudnnDirection { forward, backward_data, backward_filter };

/// The numbers of a convolution: x [n, c, h, w], w [k, c / groups, r, s], y [n, k, p, q].
struct CudnnGeometry {
  std::int64_t n, c, h, w;
  std::int64_t k, group_c, r, s;
  std::int64_t p, q;
  std::int64_t groups;
  std::int64_t pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;

  std::int64_t x_count() const { return n * c * h * w; }
  std::int64_t w_count() const { return k * group_c * r * s; }
  std::int64_t y_count() const { return n * k * p * q; }
};

/// result = alpha · convolution + beta · result, where beta = 0 reads nothing: sums in double, one after the
/// other. x and w, w and dy, or x and dy are what is read.
void convolve(CudnnDirection direction, const CudnnGeometry& geometry, cudnnDataType_t type, const void* x,
              const void* w, const void* y, void* result, double alpha, double beta);

}  // namespace gnn::emulation
