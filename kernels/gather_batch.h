#pragma once

#include "gnn/core/tensor.h"

// From a data set that stays on the device to a batch: the caller draws the indices and has checked that each
// is in [0, N); the kernels do not look.

namespace gnn::kernels {

/// out[b, ...] = images[indices[b], ...] * scale + shift: images uint8 [N, ...], indices int64 [B], out
/// float32 or float64 [B, ...], not the memory of another argument. scale and shift are rounded to out's
/// dtype and the result once (fma), so that all devices give the same bits. With mean m and standard
/// deviation s of pixels in [0, 1], scale is 1 / (255 s) and shift -m / s. Throws ShapeError when the shapes
/// do not fit.
struct GNN_API GatherBatch {
  static constexpr const char* name = "gather_batch";
  static void cpu(const Tensor& images, const Tensor& indices, double scale, double shift, Tensor& out);
  static void cuda(const Tensor& images, const Tensor& indices, double scale, double shift, Tensor& out);
};

/// out[b] = labels[indices[b]]: labels int64 [N], indices and out int64 [B]. Throws ShapeError when the
/// shapes do not fit.
struct GNN_API GatherLabels {
  static constexpr const char* name = "gather_labels";
  static void cpu(const Tensor& labels, const Tensor& indices, Tensor& out);
  static void cuda(const Tensor& labels, const Tensor& indices, Tensor& out);
};

namespace detail {
/// Checks shapes and returns the number of values per sample.
std::int64_t gather_sample_size(const char* kernel, const Tensor& source, const Tensor& indices,
                                const Tensor& out);
void check_gather_labels(const char* kernel, const Tensor& labels, const Tensor& indices, const Tensor& out);
}  // namespace detail

}  // namespace gnn::kernels
