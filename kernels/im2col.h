#pragma once

#include "gnn/core/tensor.h"
#include "gnn/kernels/dims.h"

namespace gnn::kernels {

/// The windows that a convolution looks through.
struct Im2colParameters {
  Size2 kernel = 1;
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 dilation = 1;
};

/// Writes each window of x as a column: with x [N, C, H, W] and columns [N, C kh kw, OH OW],
///
///   columns[n, (c kh + r) kw + s, i OW + j] = x[n, c, i stride.h - padding.h + r dilation.h,
///                                                    j stride.w - padding.w + s dilation.w]
///
/// and 0 outside the image. A convolution is then one matrix product per image. float32 or float64. Throws
/// ShapeError or DTypeError for tensors that do not fit.
struct GNN_API Im2col {
  static constexpr const char* name = "im2col";
  static void cpu(const Tensor& x, Tensor& columns, const Im2colParameters& parameters);
  static void cuda(const Tensor& x, Tensor& columns, const Im2colParameters& parameters);
};

/// The opposite: every element of x becomes the sum of the elements of columns that Im2col would copy it to,
/// gathered in order of (r, s), so that the result is the same on every run.
struct GNN_API Col2im {
  static constexpr const char* name = "col2im";
  static void cpu(const Tensor& columns, Tensor& x, const Im2colParameters& parameters);
  static void cuda(const Tensor& columns, Tensor& x, const Im2colParameters& parameters);
};

/// Both kernels' arguments as plain numbers.
struct Im2colSizes {
  std::int64_t n, c, h, w, oh, ow;
  std::int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
};
Im2colSizes im2col_sizes(const char* op, const Tensor& x, const Tensor& columns,
                         const Im2colParameters& parameters);

}  // namespace gnn::kernels
