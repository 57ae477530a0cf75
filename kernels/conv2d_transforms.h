#pragma once

#include "gnn/kernels/conv2d.h"

// conv2d and its gradients on the CPU where Winograd's transforms (conv2d_winograd.h), or for dx sums by
// windows (conv2d_windows.h), are the better way. Not installed.

namespace gnn::kernels {

/// y by windows: by transforms where winograd_suits(), else by sums; `bias` may be nullptr. Only where
/// windows_have_offsets().
template <class T>
void forward_by_windows(const Conv2dSizes& sizes, const T* x, const T* weight, const T* bias, T* y,
                        const TensorOptions& options);

/// True where a convolution of dy gives dx (the stride and the dilation are 1, and the padding is smaller
/// than the kernel) and is the better way: it suits transforms, or dy has few channels.
bool convolution_suits_input_gradient(const Conv2dSizes& sizes);

/// dx. Only where convolution_suits_input_gradient().
template <class T>
void input_gradient_by_convolution(const Conv2dSizes& sizes, const T* dy, const T* weight, T* dx,
                                   const TensorOptions& options);

/// True where transforms are the better way to dweight: as for winograd_suits(), with windows of which few
/// are cut.
bool transforms_suit_weight_gradient(const Conv2dSizes& sizes);

/// dweight; false where a part of it is not finite, which the caller is then to compute another way. Only
/// where transforms_suit_weight_gradient().
template <class T>
bool weight_gradient_by_transforms(const Conv2dSizes& sizes, const T* x, const T* dy, T* dweight,
                                   const TensorOptions& options);

}  // namespace gnn::kernels
