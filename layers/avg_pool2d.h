#pragma once

#include <optional>

#include "gnn/kernels/dims.h"
#include "gnn/layers/module.h"

namespace gnn {

struct AvgPool2dOptions {
  std::optional<Size2> stride = {};  ///< default: the kernel size
  Size2 padding = 0;                 ///< of zeros, on all sides; at most half of the kernel
  bool ceil_mode = false;            ///< also windows that hang over the right and lower edge
  bool count_include_pad = true;     ///< padding counts in the divisor
  std::optional<std::int64_t> divisor_override = {};  ///< divide by this instead of the window's size
};

/// The average over windows of each image plane: x [N, C, H, W] or [C, H, W] to [N, C, OH, OW] or [C, OH, OW]
/// with OH = floor((H + 2 padding - kernel_size) / stride) + 1, rounded up with ceil_mode unless the last
/// window would start beyond the input and its left padding. What hangs over the padded input never counts.
/// float32 or float64. Throws ShapeError for another shape or one the window does not fit into, ValueError
/// for sizes that make no sense.
GNN_API Tensor avg_pool2d(const Tensor& x, Size2 kernel_size, const AvgPool2dOptions& options = {});
GNN_API Tensor avg_pool2d(const Tensor& x, Size2 kernel_size, Size2 stride);

/// avg_pool2d() as a layer: AvgPool2d(2), AvgPool2d(3, {.stride = 2, .padding = 1}).
class GNN_API AvgPool2d : public Module {
 public:
  explicit AvgPool2d(Size2 kernel_size, const AvgPool2dOptions& options = {});
  AvgPool2d(Size2 kernel_size, Size2 stride) : AvgPool2d(kernel_size, AvgPool2dOptions{.stride = stride}) {}

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
  /// One addition per pixel of a window, the division counted as the first.
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 private:
  Size2 kernel_size_;
  AvgPool2dOptions options_;
};

}  // namespace gnn
