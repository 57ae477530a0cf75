#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// Adds a training step to totals that stay on the device until somebody wants to know them.
///
/// `loss`: float32 or float64, one element, the mean over `samples` samples. `logits`: float32 or float64
/// [samples, C], C > 0, and `labels`: int64 [samples], or both undefined. `totals`: float64 [5], in order:
/// steps; the sum of loss * samples; samples whose label is the class with the largest logit (of several the
/// first; a NaN is larger than any number); the number of the first step, from 1, whose loss was NaN or
/// infinite, 0: none; that loss. Counts are exact up to 2^53. The product and the sum are rounded once (fma),
/// so all devices give the same bits. CUDA: one launch for small batches, up to three for larger ones. Throws
/// ShapeError or DTypeError for tensors that do not fit.
struct GNN_API BatchMetrics {
  static constexpr const char* name = "batch_metrics";
  static constexpr std::int64_t count = 5;
  static void cpu(const Tensor& loss, const Tensor& logits, const Tensor& labels, std::int64_t samples,
                  Tensor& totals);
  static void cuda(const Tensor& loss, const Tensor& logits, const Tensor& labels, std::int64_t samples,
                   Tensor& totals);
};

namespace detail {
void check_batch_metrics(const Tensor& loss, const Tensor& logits, const Tensor& labels, std::int64_t samples,
                         const Tensor& totals);
}  // namespace detail

}  // namespace gnn::kernels
