#include "gnn/kernels/conv2d.h"

#include <algorithm>
#include <vector>

#include "gnn/core/check.h"
#include "gnn/kernels/conv2d_patches.h"
#include "gnn/kernels/conv2d_transforms.h"
#include "gnn/kernels/conv2d_winograd.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/transpose_tile.h"

namespace gnn::kernels {

Conv2dSizes conv2d_sizes(const char* op, const Tensor& x, const Tensor& weight,
                         const Conv2dParameters& parameters) {
  check<ShapeError>(x.dim() == 4 && weight.dim() == 4,
                    "{}: expected four dimensions each, got {} and weight {}", op, x.shape(), weight.shape());
  check<DTypeError>(x.dtype() == weight.dtype(), "{}: expected one dtype, got {} and weight {}", op,
                    x.dtype(), weight.dtype());
  Conv2dSizes z{};
  z.n = x.size(0);
  z.c = x.size(1);
  z.h = x.size(2);
  z.w = x.size(3);
  z.o = weight.size(0);
  z.cg = weight.size(1);
  z.kernel = {weight.size(2), weight.size(3)};
  z.stride = parameters.stride;
  z.padding = parameters.padding;
  z.dilation = parameters.dilation;
  z.groups = parameters.groups;
  z.og = z.groups > 0 ? z.o / z.groups : 0;
  z.patch = z.cg * z.kernel.area();
  check<ShapeError>(
      z.groups > 0 && z.o % z.groups == 0 && z.c == z.cg * z.groups && z.kernel.h > 0 && z.kernel.w > 0 &&
          z.stride.h > 0 && z.stride.w > 0 && z.dilation.h > 0 && z.dilation.w > 0 && z.padding.h >= 0 &&
          z.padding.w >= 0,
      "{}: input {} and weight {} do not fit with stride {}, padding {}, dilation {}, groups {}", op,
      x.shape(), weight.shape(), z.stride.to_string(), z.padding.to_string(), z.dilation.to_string(),
      z.groups);
  z.oh = window_positions(z.h, z.kernel.h, z.stride.h, z.padding.h, z.dilation.h);
  z.ow = window_positions(z.w, z.kernel.w, z.stride.w, z.padding.w, z.dilation.w);
  z.positions = z.oh * z.ow;
  return z;
}

Conv2dSizes conv2d_sizes(const char* op, const Tensor& x, const Tensor& weight, const Tensor& y,
                         const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(op, x, weight, parameters);
  check<ShapeError>(
      y.shape() == Shape{z.n, z.o, z.oh, z.ow},
      "{}: expected output {} for input {} and weight {} with stride {}, padding {}, dilation {}, groups {}, "
      "got {}",
      op, Shape{z.n, z.o, z.oh, z.ow}, x.shape(), weight.shape(), z.stride.to_string(), z.padding.to_string(),
      z.dilation.to_string(), z.groups, y.shape());
  check<DTypeError>(x.dtype() == y.dtype(), "{}: expected one dtype, got {} and output {}", op, x.dtype(),
                    y.dtype());
  return z;
}

namespace {

std::vector<std::int64_t> multiples(std::int64_t count, std::int64_t step) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) offsets[static_cast<std::size_t>(i)] = i * step;
  return offsets;
}

/// y = weight · patches + bias, a panel of output positions at a time.
template <class T>
void forward(const Conv2dSizes& z, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t width = panel_columns<T>();
  const std::int64_t all_positions = z.n * z.positions;
  const std::int64_t panels = (all_positions + width - 1) / width;
  const std::vector<std::int64_t> element_list = patch_offsets(z);
  const std::vector<std::int64_t> row_list = multiples(z.og, z.patch);
  const std::int64_t* elements = element_list.data();
  const std::int64_t* rows = row_list.data();
  const std::int64_t grain = 250000 / std::max<std::int64_t>(z.og * z.patch * width, 1) + 1;
  parallel_for(z.groups * panels, grain, [=](std::int64_t begin, std::int64_t end) {
    // Vectors of an image's last positions may reach one panel row further: the rest of their sums is
    // dropped.
    alignas(64) T panel[(gemm_depth + 1) * max_panel_columns];
    Run runs[max_panel_columns];
    std::fill_n(panel, (gemm_depth + 1) * max_panel_columns, T{0});
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / panels;
      const std::int64_t first = unit % panels * width;
      const std::int64_t last = std::min(first + width, all_positions);
      const std::int64_t run_count = find_runs(z, group, first, last, runs);
      for (std::int64_t k = 0; k == 0 || k < z.patch; k += gemm_depth) {
        const std::int64_t depth = std::min(gemm_depth, z.patch - k);
        pack_patches(x, runs, run_count, elements + k, depth, z.stride.w, width, panel);
        for (std::int64_t position = first;
             position < last;) {  // once per image that the panel has a part of
          const std::int64_t n = position / z.positions;
          const std::int64_t columns = std::min(last, (n + 1) * z.positions) - position;
          GemmBlock<T> block{};
          block.a = weight + group * z.og * z.patch + k;
          block.rows = rows;
          block.row_count = z.og;
          block.depth = depth;
          block.b = panel + (position - first);
          block.columns = columns;
          block.c = y + (n * z.o + group * z.og) * z.positions + position % z.positions;
          block.c_stride = z.positions;
          if (k > 0) {
            block.start = block.c;
            block.start_stride = block.c_stride;
          } else if (bias != nullptr) {
            block.row_start = bias + group * z.og;
          }
          multiply_block(block);
          position += columns;
        }
      }
    }
  });
}

/// panel[p][j] = in[p][j] for p < depth, j < columns; zeros up to j = width.
template <class T>
[[gnu::always_inline]] inline void pack_rows(const T* in, std::int64_t stride, std::int64_t depth,
                                             std::int64_t columns, std::int64_t width, T* panel) {
  for (std::int64_t p = 0; p < depth; ++p, in += stride, panel += width) {
    std::copy_n(in, columns, panel);
    std::fill(panel + columns, panel + width, T{0});
  }
}

/// Most rows of the patch matrix whose gradients are held at a time.
constexpr std::int64_t gradient_rows = 96;

/// patch gradients = weight' · dy, a few rows and a panel of positions at a time, each added to dx at once.
template <class T>
void input_gradient(const Conv2dSizes& z, const T* dy, const T* weight, T* dx) {
  const std::int64_t width = panel_columns<T>();
  const std::vector<std::int64_t> element_list = patch_offsets(z);
  const std::vector<std::int64_t> row_list = multiples(gradient_rows, 1);
  const std::vector<std::int64_t> depth_list = multiples(gemm_depth, z.patch);
  const std::int64_t* elements = element_list.data();
  const std::int64_t* rows = row_list.data();
  const std::int64_t* depths = depth_list.data();
  // Whole channels at a time, where they fit: the order of the additions to an element of dx must not depend
  // on which channels a unit of work begins with.
  const std::int64_t area = z.kernel.area();
  const std::int64_t block_channels = std::max<std::int64_t>(1, gradient_rows / area);
  // A unit of work owns some channels of an image; few images are cut into more units. The result does not
  // depend on it: every element of dx is added to in the same order.
  const std::int64_t wanted =
      (4 * num_threads() + z.n * z.groups - 1) / std::max<std::int64_t>(z.n * z.groups, 1);
  const std::int64_t pieces = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(z.cg, 1));
  const std::int64_t grain = 250000 / std::max<std::int64_t>(z.og * z.patch * z.positions / pieces, 1) + 1;
  parallel_for(z.n * z.groups * pieces, grain, [=](std::int64_t begin, std::int64_t end) {
    alignas(64) T panel[gemm_depth * max_panel_columns];
    alignas(64) T columns[gradient_rows * max_panel_columns];
    Run runs[max_panel_columns];
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t n = unit / (z.groups * pieces);
      const std::int64_t group = unit / pieces % z.groups;
      const std::int64_t first_channel = unit % pieces * z.cg / pieces;
      const std::int64_t last_channel = (unit % pieces + 1) * z.cg / pieces;
      const std::int64_t plane = z.h * z.w;
      std::fill_n(dx + (n * z.c + group * z.cg + first_channel) * plane,
                  (last_channel - first_channel) * plane, T{0});
      const T* dy_group = dy + (n * z.o + group * z.og) * z.positions;
      const T* weight_group = weight + group * z.og * z.patch;
      for (std::int64_t p = 0; p < z.positions; p += width) {
        const std::int64_t size = std::min(width, z.positions - p);
        const std::int64_t run_count =
            find_runs(z, group, n * z.positions + p, n * z.positions + p + size, runs);
        for (std::int64_t channel = first_channel; channel < last_channel; channel += block_channels) {
          const std::int64_t last_row = std::min(channel + block_channels, last_channel) * area;
          for (std::int64_t row = channel * area; row < last_row; row += gradient_rows) {
            const std::int64_t row_count = std::min(gradient_rows, last_row - row);
            for (std::int64_t k = 0; k < z.og; k += gemm_depth) {
              const std::int64_t depth = std::min(gemm_depth, z.og - k);
              if (z.og > gemm_depth || row == first_channel * area) {  // else it is there already
                pack_rows(dy_group + k * z.positions + p, z.positions, depth, size, width, panel);
              }
              GemmBlock<T> block{};
              block.a = weight_group + k * z.patch + row;
              block.rows = rows;
              block.depths = depths;
              block.row_count = row_count;
              block.depth = depth;
              block.b = panel;
              block.columns = width;  // all of the scratch array: no edge
              block.c = columns;
              block.c_stride = width;
              block.start = k > 0 ? columns : nullptr;
              block.start_stride = width;
              multiply_block(block);
            }
            add_patches(columns, runs, run_count, elements + row, row_count, z.kernel.w, z.stride.w, width,
                        dx);
          }
        }
      }
    }
  });
}

/// dweight' = patches · dy': patches are read in place, dy is transposed a block of positions at a time. The
/// sum over the batch is cut into a few partial sums, so that all threads have work where the weight is
/// small.
template <class T>
void weight_gradient(const Conv2dSizes& z, const T* x, const T* dy, T* dweight,
                     const TensorOptions& options) {
  constexpr std::int64_t unit_rows = 252;
  const std::int64_t width = panel_columns<T>();
  const std::int64_t row_blocks = (z.patch + unit_rows - 1) / unit_rows;
  const std::int64_t chunks =
      std::clamp<std::int64_t>(16 / (row_blocks * z.groups), 1, std::min<std::int64_t>(z.n, 8));
  const std::vector<std::int64_t> row_list = patch_offsets(z);
  std::vector<std::int64_t> depth_list;
  for (std::int64_t i = 0; i < z.oh; ++i) {
    for (std::int64_t j = 0; j < z.ow; ++j) depth_list.push_back(i * z.stride.h * z.w + j * z.stride.w);
  }
  const std::int64_t* rows = row_list.data();
  const std::int64_t* depths = depth_list.data();

  Tensor partial = empty({chunks, z.groups, z.patch, z.og}, options);
  T* partial_sums = partial.mutable_data<T>();
  parallel_for(chunks * z.groups * row_blocks, 1, [=](std::int64_t begin, std::int64_t end) {
    alignas(64) T panel[gemm_depth * max_panel_columns] = {};
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t chunk = unit / (z.groups * row_blocks);
      const std::int64_t group = unit / row_blocks % z.groups;
      const std::int64_t row_begin = z.patch * (unit % row_blocks) / row_blocks;
      const std::int64_t row_end = z.patch * (unit % row_blocks + 1) / row_blocks;
      const std::int64_t first_image = z.n * chunk / chunks;
      const std::int64_t last_image = z.n * (chunk + 1) / chunks;
      T* sums = partial_sums + ((chunk * z.groups + group) * z.patch + row_begin) * z.og;
      for (std::int64_t n = first_image; n < last_image; ++n) {
        for (std::int64_t p = 0; p < z.positions; p += gemm_depth) {
          for (std::int64_t j = 0; j < z.og; j += width) {
            GemmBlock<T> block{};
            block.a = x + (n * z.c + group * z.cg) * z.h * z.w;
            block.rows = rows + row_begin;
            block.depths = depths + p;
            block.row_count = row_end - row_begin;
            block.depth = std::min(gemm_depth, z.positions - p);
            block.b = panel;
            block.columns = std::min(width, z.og - j);
            block.c = sums + j;
            block.c_stride = z.og;
            block.start = n > first_image || p > 0 ? block.c : nullptr;
            block.start_stride = z.og;
            transpose_into(dy + (n * z.o + group * z.og + j) * z.positions + p, z.positions, block.columns,
                           block.depth, panel, width);
            multiply_block(block);
          }
        }
      }
    }
  });
  const std::int64_t weight_size = z.o * z.patch;
  parallel_for(z.groups * z.patch, 2048 / (z.og * chunks) + 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      T* out = dweight + row / z.patch * z.og * z.patch + row % z.patch;
      for (std::int64_t o = 0; o < z.og; ++o) {
        T sum = 0;
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
          sum += partial_sums[chunk * weight_size + row * z.og + o];
        }
        out[o * z.patch] = sum;
      }
    }
  });
}

/// Copies the planes of x between a tensor with and one without the padding that `z` asks for.
template <class T, bool pad>
void copy_padded(const Conv2dSizes& z, const T* in, T* out) {
  const std::int64_t h = z.h + 2 * z.padding.h;
  const std::int64_t w = z.w + 2 * z.padding.w;
  parallel_for(z.n * z.c, elementwise_grain / (h * w) + 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      if (pad) std::fill_n(out + plane * h * w, h * w, T{0});
      for (std::int64_t i = 0; i < z.h; ++i) {
        const std::int64_t inner = plane * z.h * z.w + i * z.w;
        const std::int64_t outer = plane * h * w + (i + z.padding.h) * w + z.padding.w;
        std::copy_n(in + (pad ? inner : outer), z.w, out + (pad ? outer : inner));
      }
    }
  });
}

bool has_padding(const Conv2dSizes& z) {
  return z.padding.h > 0 || z.padding.w > 0;
}

/// The sizes of the same convolution over an image that has its padding.
Conv2dSizes padded_sizes(Conv2dSizes z) {
  z.h += 2 * z.padding.h;
  z.w += 2 * z.padding.w;
  z.padding = 0;
  return z;
}

/// x with its padding; x itself where there is none.
template <class T>
Tensor with_padding(const Conv2dSizes& z, const Tensor& x) {
  if (!has_padding(z)) return x;
  const Conv2dSizes outer = padded_sizes(z);
  Tensor padded = empty({z.n, z.c, outer.h, outer.w}, x.options());
  copy_padded<T, true>(z, x.data<T>(), padded.mutable_data<T>());
  return padded;
}

}  // namespace

void Conv2dForward::cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                        const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(name, x, weight, y, parameters);
  check<ShapeError>(!bias.defined() || bias.shape() == Shape{z.o}, "{}: expected bias [{}], got {}", name,
                    z.o, bias.defined() ? bias.shape() : Shape{});
  if (y.numel() == 0) return;
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* added = bias.defined() ? bias.data<T>() : nullptr;
    if (winograd_suits(z)) {
      forward_by_windows(z, x.data<T>(), weight.data<T>(), added, y.mutable_data<T>(), x.options());
      return;
    }
    const Tensor padded = with_padding<T>(z, x);
    forward<T>(padded_sizes(z), padded.data<T>(), weight.data<T>(), added, y.mutable_data<T>());
  });
}

void Conv2dInputGradient::cpu(const Tensor& dy, const Tensor& weight, Tensor& dx,
                              const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(name, dx, weight, dy, parameters);
  if (dx.numel() == 0) return;
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if (dy.numel() == 0) {
      std::fill_n(dx.mutable_data<T>(), dx.numel(), T{0});
      return;
    }
    if (convolution_suits_input_gradient(z)) {
      input_gradient_by_convolution(z, dy.data<T>(), weight.data<T>(), dx.mutable_data<T>(), dx.options());
      return;
    }
    if (!has_padding(z)) {
      input_gradient<T>(z, dy.data<T>(), weight.data<T>(), dx.mutable_data<T>());
      return;
    }
    const Conv2dSizes outer = padded_sizes(z);
    Tensor padded = empty({z.n, z.c, outer.h, outer.w}, dx.options());
    input_gradient<T>(outer, dy.data<T>(), weight.data<T>(), padded.mutable_data<T>());
    copy_padded<T, false>(z, padded.data<T>(), dx.mutable_data<T>());
  });
}

void Conv2dWeightGradient::cpu(const Tensor& x, const Tensor& dy, Tensor& dweight,
                               const Conv2dParameters& parameters) {
  const Conv2dSizes z = conv2d_sizes(name, x, dweight, dy, parameters);
  if (dweight.numel() == 0) return;
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if (dy.numel() == 0) {
      std::fill_n(dweight.mutable_data<T>(), dweight.numel(), T{0});
      return;
    }
    if (transforms_suit_weight_gradient(z) &&
        weight_gradient_by_transforms(z, x.data<T>(), dy.data<T>(), dweight.mutable_data<T>(), x.options())) {
      return;
    }
    const Tensor padded = with_padding<T>(z, x);
    weight_gradient<T>(padded_sizes(z), padded.data<T>(), dy.data<T>(), dweight.mutable_data<T>(),
                       x.options());
  });
}

}  // namespace gnn::kernels
