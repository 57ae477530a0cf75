#pragma once

#include "gnn/layers/conv2d.h"

namespace gnn {

struct Conv2dPoolOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
  bool relu = false;  ///< between convolution and pooling
};

/// max_pool2d(conv2d(x, weight, bias), 2), or with relu max_pool2d(relu(conv2d(x, weight, bias)), 2), in one
/// op: neither the convolution's result nor its gradient is stored, and on the CPU the gradients take a
/// quarter of the arithmetic, since only the largest of four pixels has one. Shapes and options as conv2d();
/// the result is [N, O, OH / 2, OW / 2] or [O, OH / 2, OW / 2], rounded down. chain() and Sequential find
/// this function by themselves. Throws as conv2d() does, and ShapeError when OH or OW is below 2.
///
/// On the CPU the result is bitwise that of the separate functions. Which of several pixels that are equal
/// but for rounding gets the gradient is not defined.
GNN_API Tensor conv2d_pool(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                           const Conv2dPoolOptions& options = {});

}  // namespace gnn
