#pragma once

#include "gnn/kernels/dims.h"
#include "gnn/layers/module.h"

namespace gnn {

/// How a convolution's kernel moves over the images.
struct Conv2dFunctionOptions {
  Size2 stride = 1;
  Size2 padding = 0;        ///< of zeros, on all sides
  Size2 dilation = 1;       ///< distance between the pixels that the kernel sees
  std::int64_t groups = 1;  ///< the channels are cut into groups that are convolved separately
};

/// The cross-correlation of images with kernels, as in PyTorch: x [N, C, H, W] or [C, H, W], weight
/// [O, C / groups, kh, kw], bias [O] or undefined, result [N, O, OH, OW] or [O, OH, OW] with
/// OH = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1; the formula is in kernels/conv2d.h.
/// float32 or float64, one dtype and device. The gradient of an input that does not require one is not
/// computed. Throws ShapeError for tensors that do not fit and a kernel larger than the padded image,
/// ValueError for options that make no sense, DTypeError, DeviceError.
///
/// On the CPU 3 x 3 and 5 x 5 kernels with stride and dilation 1, and at least 8 output and 16 input channels
/// to a group (6 for 5 x 5, except for the weight's gradient), are computed by Winograd's transforms (Lavin
/// and Gray, 2016), with up to 2.25 and 4.2 times fewer multiplications: results of more than 6 x 6 pixels,
/// and gradients, except x's through a 5 x 5 kernel without padding on small images. For x's gradient input
/// and output change places. Root mean square errors are about 1 and 6 times those of sums of products
/// (1 and 4 times for the weight's gradient); for 5 x 5 up to 1.5e-6 of the results' root mean square. A
/// pixel that is larger by many orders of magnitude drowns its neighbours in the same window of 4 x 4 pixels,
/// 8 x 6 for 5 x 5; infinities and NaNs stay where they are. The result for an image does not depend on the
/// others of its batch.
GNN_API Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                      const Conv2dFunctionOptions& options = {});

/// The shape of conv2d()'s result. Throws as conv2d() does, `op` at the head of the message.
GNN_API Shape conv2d_shape(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const Conv2dFunctionOptions& options);

struct Conv2dOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// conv2d() as a layer: Conv2d(1, 20, 5), Conv2d(64, 64, {3, 1}, {.padding = {1, 0}}). Parameters: weight
/// [out_channels, in_channels / groups, kh, kw], bias [out_channels], both uniform in [-b, b) with
/// b = 1 / sqrt(in_channels / groups kh kw), as in PyTorch.
class GNN_API Conv2d : public Module {
 public:
  /// Throws ValueError for sizes below 1, a negative padding and channels that groups does not divide.
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size,
         const Conv2dOptions& options = {});

  Tensor forward(const Tensor& x) override;
  /// max_pool2d(relu((*this)(x)), 2), or without the ReLU, in one op (conv2d_pool.h).
  Tensor pooled(const Tensor& x, bool relu = false);
  std::string describe() const override;
  /// A multiplication and an addition per weight and output position, an addition per bias.
  std::int64_t flops(const Shape& input, const Shape& output) const override;

  Tensor weight;
  Tensor bias;  ///< undefined without one

 private:
  Conv2dFunctionOptions options_;
};

}  // namespace gnn
