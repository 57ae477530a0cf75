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
/// On the CPU the result is bitwise that of the separate functions, but for 3 x 3 and 5 x 5 kernels with
/// stride and dilation 1 and at least 16 input and 8 output channels to a group. Those are computed by
/// Winograd's transforms (Lavin and Gray, 2016), with 2.25 and 2.8 times fewer multiplications; root mean
/// square errors are about 1 and 3 times those of the separate functions. A pixel that is larger by many
/// orders of magnitude drowns its neighbours in the same window of (kernel + 1)² pixels; infinities and NaNs
/// stay where they are. Which of several pixels that are equal to rounding gets the gradient is not defined.
GNN_API Tensor conv2d_pool(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                           const Conv2dPoolOptions& options = {});

}  // namespace gnn
