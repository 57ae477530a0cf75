#include "gnn/kernels/conv2d_transforms.h"

#include <algorithm>

#include "gnn/kernels/conv2d_windows.h"
#include "gnn/kernels/conv2d_winograd.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

namespace {

/// The convolution of dy that gives dx, with the weight's channels exchanged and its taps in reverse order.
Conv2dSizes input_gradient_convolution(const Conv2dSizes& z) {
  Conv2dSizes turned = z;
  std::swap(turned.c, turned.o);
  std::swap(turned.cg, turned.og);
  std::swap(turned.h, turned.oh);
  std::swap(turned.w, turned.ow);
  turned.padding = {z.kernel.h - 1 - z.padding.h, z.kernel.w - 1 - z.padding.w};
  turned.patch = turned.cg * turned.kernel.area();
  turned.positions = turned.oh * turned.ow;
  return turned;
}

}  // namespace

bool transforms_suit_input_gradient(const Conv2dSizes& z) {
  // The other way scatters what it computes into dx, and is the slower one even for small images.
  constexpr std::int64_t least_windows = 4;
  return z.stride == Size2(1) && z.dilation == Size2(1) && z.padding.h < z.kernel.h &&
         z.padding.w < z.kernel.w && winograd_suits(input_gradient_convolution(z), least_windows);
}

template <class T>
void forward_by_transforms(const Conv2dSizes& z, const T* x, const T* weight, const T* bias, T* y,
                           const TensorOptions& options) {
  windows_by_positions<T>({.conv = z,
                           .windows = {(z.oh + 1) / 2, (z.ow + 1) / 2},
                           .pooled = false,
                           .relu = false,
                           .x = x,
                           .weight = weight,
                           .bias = bias,
                           .y = y,
                           .choice = nullptr,
                           .options = options});
}

template <class T>
void input_gradient_by_transforms(const Conv2dSizes& z, const T* dy, const T* weight, T* dx,
                                  const TensorOptions& options) {
  // [group][c][o][tap in reverse], some channels at a time, whose filters are neighbours.
  constexpr std::int64_t block = 16;
  Tensor turned = empty({z.c, z.og, z.kernel.h, z.kernel.w}, options);
  T* to = turned.mutable_data<T>();
  const std::int64_t area = z.kernel.area();
  const std::int64_t blocks = (z.cg + block - 1) / block;
  parallel_for<elementwise_isa<T>>(z.groups * blocks, elementwise_grain / (block * z.og * area) + 1,
                                   [=](std::int64_t begin, std::int64_t end) {
                                     for (std::int64_t unit = begin; unit < end; ++unit) {
                                       const std::int64_t group = unit / blocks;
                                       const std::int64_t first = unit % blocks * block;
                                       const std::int64_t last = std::min(first + block, z.cg);
                                       for (std::int64_t o = 0; o < z.og; ++o) {
                                         const T* from = weight + (group * z.og + o) * z.patch;
                                         for (std::int64_t c = first; c < last; ++c) {
                                           std::reverse_copy(from + c * area, from + (c + 1) * area,
                                                             to + ((group * z.cg + c) * z.og + o) * area);
                                         }
                                       }
                                     }
                                   });
  forward_by_transforms<T>(input_gradient_convolution(z), dy, to, nullptr, dx, options);
}

template void forward_by_transforms(const Conv2dSizes&, const float*, const float*, const float*, float*,
                                    const TensorOptions&);
template void forward_by_transforms(const Conv2dSizes&, const double*, const double*, const double*, double*,
                                    const TensorOptions&);
template void input_gradient_by_transforms(const Conv2dSizes&, const float*, const float*, float*,
                                           const TensorOptions&);
template void input_gradient_by_transforms(const Conv2dSizes&, const double*, const double*, double*,
                                           const TensorOptions&);

}  // namespace gnn::kernels
