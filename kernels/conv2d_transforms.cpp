#include "gnn/kernels/conv2d_transforms.h"

#include <algorithm>

#include "gnn/kernels/conv2d_weight_products.h"
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

/// The sums of products of a group, of each of the chunks that the batch is cut into; a thread's at a time.
template <class T>
void sum_by_chunks(const Conv2dSizes& z, const WeightProducts<T>& products, const T* x, const T* dy,
                   T* scratches, T* blocks, Tensor& sums) {
  const std::int64_t chunks = sums.size(0);
  T* all_sums = sums.mutable_data<T>();
  parallel_for<Isa::base>(chunks, 1, [=, &products](std::int64_t begin, std::int64_t end) {
    T* scratch = scratches + thread_index() * products.band_size();
    T* block = blocks + thread_index() * products.block_size();
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = z.n * chunk / chunks * products.image_bands();
      const std::int64_t last = z.n * (chunk + 1) / chunks * products.image_bands();
      for (std::int64_t b = first; b < last; b += products.block_bands()) {
        const WindowBands bands{b, std::min(b + products.block_bands(), last)};
        for (std::int64_t band = bands.first; band < bands.last; ++band) {
          products.transform(x, dy, bands, band, block, scratch);
        }
        for (std::int64_t i = 0; i < products.products(); ++i) {
          products.add_up(block, bands, i, 0, z.og, b == first, all_sums + chunk * products.sum_size());
        }
      }
    }
  });
}

/// The sums of products of a group, of all of the batch; all threads share a block.
template <class T>
void sum_by_blocks(const Conv2dSizes& z, const WeightProducts<T>& products, const T* x, const T* dy,
                   T* scratches, T* block, Tensor& sums) {
  constexpr std::int64_t most_filters = 48;
  const std::int64_t pieces = divide_up(z.og, most_filters);
  const std::int64_t all_bands = z.n * products.image_bands();
  T* all_sums = sums.mutable_data<T>();
  for (std::int64_t b = 0; b < all_bands; b += products.block_bands()) {
    const WindowBands bands{b, std::min(b + products.block_bands(), all_bands)};
    parallel_for<Isa::base>(bands.last - b, 1, [=, &products](std::int64_t begin, std::int64_t end) {
      T* scratch = scratches + thread_index() * products.band_size();
      for (std::int64_t band = b + begin; band < b + end; ++band) {
        products.transform(x, dy, bands, band, block, scratch);
      }
    });
    parallel_for<Isa::base>(products.products() * pieces, 1,
                            [=, &products](std::int64_t begin, std::int64_t end) {
                              for (std::int64_t unit = begin; unit < end; ++unit) {
                                const std::int64_t piece = unit % pieces;
                                products.add_up(block, bands, unit / pieces, z.og * piece / pieces,
                                                z.og * (piece + 1) / pieces, b == 0, all_sums);
                              }
                            });
  }
}

/// dweight of a group from the sums of all chunks; false where a part of it is not finite.
template <class T>
bool transform_sums(const Conv2dSizes& z, const WeightProducts<T>& products, Tensor& sums, T* dweight,
                    Tensor& finite) {
  const std::int64_t chunks = sums.size(0);
  T* all_sums = sums.mutable_data<T>();
  std::uint8_t* flags = finite.mutable_data<std::uint8_t>();
  parallel_for<elementwise_isa<T>>(
      z.og, elementwise_grain / (z.patch * chunks) + 1, [=, &products](std::int64_t begin, std::int64_t end) {
        for (std::int64_t o = begin; o < end; ++o) {
          for (std::int64_t i = 0; i < products.products(); ++i) {
            T* row = all_sums + i * products.sum_stride() + o * products.row_size();
            for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
              const T* part = row + chunk * products.sum_size();
              for (std::int64_t c = 0; c < products.row_size(); ++c) row[c] += part[c];
            }
          }
          flags[o] = products.filter(all_sums, o, dweight + o * z.patch) ? 1 : 0;
        }
      });
  return std::all_of(flags, flags + z.og, [](std::uint8_t flag) { return flag == 1; });
}

}  // namespace

bool convolution_suits_input_gradient(const Conv2dSizes& z) {
  const bool possible =
      z.stride == Size2(1) && z.dilation == Size2(1) && z.padding.h < z.kernel.h && z.padding.w < z.kernel.w;
  if (!possible) return false;
  const Conv2dSizes turned = input_gradient_convolution(z);
  // The other way scatters what it computes into dx. Where dy has few channels that costs more than the
  // sums do; and more than transforms do, even for small images. But without padding some of dx's windows lie
  // mostly outside of dy, and on a small image these are many.
  const std::int64_t windows = divide_up(z.h, 2) * divide_up(z.w, 2);
  const bool few_channels = std::min(z.kernel.h, z.kernel.w) >= 3 && 2 * z.og <= z.cg;
  if (few_channels && 8 * windows <= 3 * z.positions && windows_have_offsets(turned)) return true;
  constexpr std::int64_t least_windows = 4;
  const std::int64_t stacks = divide_up(z.h, 4) * divide_up(z.w, 2);
  const bool too_many = z.kernel == Size2(5) && 2 * stacks * 48 > z.positions * 25;
  return !too_many && winograd_suits(turned, least_windows);
}

template <class T>
void forward_by_windows(const Conv2dSizes& z, const T* x, const T* weight, const T* bias, T* y,
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
void input_gradient_by_convolution(const Conv2dSizes& z, const T* dy, const T* weight, T* dx,
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
  forward_by_windows<T>(input_gradient_convolution(z), dy, to, nullptr, dx, options);
}

bool transforms_suit_weight_gradient(const Conv2dSizes& z) {
  const std::int64_t windows = ((z.oh + 1) / 2) * ((z.ow + 1) / 2);
  const std::int64_t taps = z.kernel.h;
  return (z.kernel == Size2(3) || z.kernel == Size2(5)) && z.stride == Size2(1) && z.dilation == Size2(1) &&
         z.cg >= 16 && z.og >= 8 && 2 * z.positions * taps * taps >= 3 * windows * (taps + 1) * (taps + 1);
}

template <class T>
bool weight_gradient_by_transforms(const Conv2dSizes& z, const T* x, const T* dy, T* dweight,
                                   const TensorOptions& options) {
  // Where the sums are small, the batch is cut into chunks with sums of their own, which are added up in
  // order at the end: threads then wait for each other once. Else all threads share each block.
  constexpr std::int64_t most_sums = 1 << 20;
  constexpr std::int64_t chunk_count = 8;
  const std::int64_t area = (z.kernel.h + 1) * (z.kernel.w + 1);
  const bool chunked = z.n >= chunk_count && chunk_count * area * z.og * z.cg <= most_sums;
  const std::int64_t chunks = chunked ? chunk_count : 1;
  const WeightProducts<T> products(z, chunked ? 1 << 18 : 1 << 20);
  Tensor scratch = empty({num_threads(), products.band_size()}, options);
  Tensor blocks = empty({chunked ? num_threads() : 1, products.block_size()}, options);
  Tensor sums = empty({chunks, products.sum_size()}, options);
  Tensor finite = empty({z.og}, {DType::uint8, options.device});

  bool all_finite = true;
  for (std::int64_t group = 0; group < z.groups; ++group) {
    const T* const images = x + group * z.cg * z.h * z.w;
    const T* const gradients = dy + group * z.og * z.positions;
    const auto sum = chunked ? sum_by_chunks<T> : sum_by_blocks<T>;
    sum(z, products, images, gradients, scratch.mutable_data<T>(), blocks.mutable_data<T>(), sums);
    all_finite &= transform_sums(z, products, sums, dweight + group * z.og * z.patch, finite);
  }
  return all_finite;
}

template void forward_by_windows(const Conv2dSizes&, const float*, const float*, const float*, float*,
                                 const TensorOptions&);
template void forward_by_windows(const Conv2dSizes&, const double*, const double*, const double*, double*,
                                 const TensorOptions&);
template void input_gradient_by_convolution(const Conv2dSizes&, const float*, const float*, float*,
                                            const TensorOptions&);
template void input_gradient_by_convolution(const Conv2dSizes&, const double*, const double*, double*,
                                            const TensorOptions&);
template bool weight_gradient_by_transforms(const Conv2dSizes&, const float*, const float*, float*,
                                            const TensorOptions&);
template bool weight_gradient_by_transforms(const Conv2dSizes&, const double*, const double*, double*,
                                            const TensorOptions&);

}  // namespace gnn::kernels
