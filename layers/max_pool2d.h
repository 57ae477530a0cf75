#pragma once

#include <optional>

#include "gnn/kernels/dims.h"
#include "gnn/layers/module.h"

namespace gnn {

struct MaxPool2dOptions {
  std::optional<Size2> stride = {};  ///< default: the kernel size
  Size2 padding = 0;                 ///< of -infinity, on all sides; at most half of the dilated kernel
  Size2 dilation = 1;                ///< distance between the pixels of a window
  bool ceil_mode = false;            ///< also windows that hang over the right and lower edge
};

/// The maximum over windows of each image plane: x [N, C, H, W] or [C, H, W] to [N, C, OH, OW] or [C, OH, OW]
/// with OH = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, rounded up with ceil_mode
/// unless the last window would start beyond the input and its left padding. float32 or float64.
///
/// A NaN in a window is its maximum. The gradient goes to the maximum's pixel: of equal ones to the first in
/// row-major order. Throws ShapeError for another shape or one the window does not fit into, ValueError for
/// sizes that make no sense.
GNN_API Tensor max_pool2d(const Tensor& x, Size2 kernel_size, const MaxPool2dOptions& options = {});
GNN_API Tensor max_pool2d(const Tensor& x, Size2 kernel_size, Size2 stride);

/// max_pool2d() as a layer: MaxPool2d(2), MaxPool2d(3, {.stride = 2, .padding = 1}).
class GNN_API MaxPool2d : public Module {
 public:
  explicit MaxPool2d(Size2 kernel_size, const MaxPool2dOptions& options = {});
  MaxPool2d(Size2 kernel_size, Size2 stride) : MaxPool2d(kernel_size, MaxPool2dOptions{.stride = stride}) {}

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;
  /// One comparison per pixel of a window but the first.
  std::int64_t flops(const Shape& input, const Shape& output) const override;
  /// True for 2 x 2 windows with stride 2 that lie inside the image, side by side.
  bool halves() const;

 private:
  Size2 kernel_size_;
  MaxPool2dOptions options_;
};

}  // namespace gnn
