#pragma once

#include "gnn/core/tensor.h"

// From a data set that stays on the device to a batch: the caller draws the indices and has checked that each
// is in [0, N); the kernels do not look.

namespace gnn::kernels {

/// out[b, ...] = images[indices[b], ...] * scale + shift and out_labels[b] = labels[indices[b]]: images uint8
/// [N, ...], labels int64 [N], indices and out_labels int64 [B], out float32 or float64 [B, ...], not the
/// memory of another argument; labels and out_labels may both be undefined. scale and shift are rounded to
/// out's dtype and the result once (fma), so that all devices give the same bits. With mean m and standard
/// deviation s of pixels in [0, 1], scale is 1 / (255 s) and shift -m / s. One launch on CUDA. Throws
/// ShapeError when the shapes do not fit.
struct GNN_API GatherBatch {
  static constexpr const char* name = "gather_batch";
  static void cpu(const Tensor& images, const Tensor& labels, const Tensor& indices, double scale,
                  double shift, Tensor& out, Tensor& out_labels);
  static void cuda(const Tensor& images, const Tensor& labels, const Tensor& indices, double scale,
                   double shift, Tensor& out, Tensor& out_labels);
};

namespace detail {
/// Checks shapes and returns the number of values per sample.
std::int64_t check_gather_batch(const Tensor& images, const Tensor& labels, const Tensor& indices,
                                const Tensor& out, const Tensor& out_labels);
}  // namespace detail

}  // namespace gnn::kernels
