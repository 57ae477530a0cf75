#pragma once

#include <string>
#include <vector>

#include "cases/gemm.h"
#include "gnn/layers/conv2d.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// The definition in kernels/conv2d.h, loop by loop.
inline Array conv2d_reference(std::span<const Array> in, const Conv2dFunctionOptions& options) {
  const Array& x = in[0];
  const Array& weight = in[1];
  const std::int64_t height = x.shape[2];
  const std::int64_t width = x.shape[3];
  const std::int64_t out_channels = weight.shape[0];
  const std::int64_t in_group = weight.shape[1];
  const std::int64_t out_group = out_channels / options.groups;
  const std::int64_t kh = weight.shape[2];
  const std::int64_t kw = weight.shape[3];
  const std::int64_t oh =
      (height + 2 * options.padding.h - options.dilation.h * (kh - 1) - 1) / options.stride.h + 1;
  const std::int64_t ow =
      (width + 2 * options.padding.w - options.dilation.w * (kw - 1) - 1) / options.stride.w + 1;
  Array y = array({x.shape[0], out_channels, oh, ow});
  std::int64_t index = 0;
  for (std::int64_t n = 0; n < x.shape[0]; ++n) {
    for (std::int64_t o = 0; o < out_channels; ++o) {
      for (std::int64_t i = 0; i < oh; ++i) {
        for (std::int64_t j = 0; j < ow; ++j, ++index) {
          double sum = in.size() > 2 ? in[2][o] : 0;
          for (std::int64_t c = 0; c < in_group; ++c) {
            const std::int64_t channel = o / out_group * in_group + c;
            for (std::int64_t r = 0; r < kh; ++r) {
              const std::int64_t row = i * options.stride.h - options.padding.h + r * options.dilation.h;
              if (row < 0 || row >= height) continue;
              for (std::int64_t s = 0; s < kw; ++s) {
                const std::int64_t column = j * options.stride.w - options.padding.w + s * options.dilation.w;
                if (column < 0 || column >= width) continue;
                sum += weight[((o * in_group + c) * kh + r) * kw + s] *
                       x[((n * x.shape[1] + channel) * height + row) * width + column];
              }
            }
          }
          y[index] = sum;
        }
      }
    }
  }
  return y;
}

inline std::vector<OpCase> conv2d() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& x, std::int64_t out_channels, Size2 kernel,
                       const Conv2dFunctionOptions& options = {}, bool bias = true,
                       bool benchmark = false) -> OpCase& {
    const std::int64_t in_group = x[1] / options.groups;
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{x}, {{out_channels, in_group, kernel.h, kernel.w}}};
    if (bias) op_case.inputs.push_back({{out_channels}});
    op_case.op = [options](std::span<const Tensor> in) {
      return gnn::conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), options);
    };
    op_case.reference = [options](std::span<const Array> in) { return conv2d_reference(in, options); };
    const std::int64_t oh =
        window_positions(x[2], kernel.h, options.stride.h, options.padding.h, options.dilation.h);
    const std::int64_t ow =
        window_positions(x[3], kernel.w, options.stride.w, options.padding.w, options.dilation.w);
    // The longest sums are those of the weight's gradient over the batch's positions, which are cut short.
    const std::int64_t patch = in_group * kernel.area();
    set_matmul_tolerance(op_case, std::max({patch, out_channels * kernel.area(), x[0] * oh * ow}));
    op_case.benchmark = benchmark;
    op_case.flops = 2.0 * static_cast<double>(x[0] * out_channels * oh * ow) * static_cast<double>(patch);
    table.push_back(op_case);
    return table.back();
  };

  const auto text = [](Size2 size) {
    return size.h == size.w ? std::to_string(size.h) : std::to_string(size.h) + "x" + std::to_string(size.w);
  };
  for (const Size2 kernel : {Size2(1), Size2(3), Size2(2, 3)}) {
    for (const Size2 stride : {Size2(1), Size2(2), Size2(3, 1)}) {
      for (const Size2 padding : {Size2(0), Size2(1), Size2(0, 2)}) {
        for (const Size2 dilation : {Size2(1), Size2(2, 1)}) {
          for (const std::int64_t groups : {1, 2, 4}) {
            add("k" + text(kernel) + "_s" + text(stride) + "_p" + text(padding) + "_d" + text(dilation) +
                    "_g" + std::to_string(groups),
                {1, 4, 5, 5}, 8, kernel, {stride, padding, dilation, groups}, groups != 2);
          }
        }
      }
    }
  }
  add("1x1x1x1", {1, 1, 1, 1}, 1, 1);
  add("empty_batch", {0, 2, 4, 4}, 3, 3);
  add("kernel_of_the_image_size", {3, 2, 5, 4}, 7, {5, 4});
  add("padding_beyond_the_kernel", {1, 1, 2, 3}, 2, 2, {.padding = {3, 4}});
  add("stride_beyond_the_kernel", {2, 2, 9, 8}, 3, 2, {.stride = {4, 5}});
  add("one_image_many_channels", {1, 33, 6, 7}, 65, 3, {.padding = 1});
  add("positions_across_images", {31, 3, 6, 6}, 5, 3);
  add("long_rows", {1, 1, 3, 1023}, 2, 3);
  use_small_values(add("deep_sums", {2, 130, 5, 5}, 140, 3, {.padding = 1}));
  use_small_values(add("wide_groups", {2, 40, 5, 5}, 130, 2, {.groups = 2}));
  // LeNet's two layers (a few images for the tests), and one of a deeper network.
  add("lenet_conv1_3", {3, 1, 28, 28}, 20, 5);
  use_small_values(add("lenet_conv2_3", {3, 20, 12, 12}, 50, 5));
  // Kernels and channels that the CPU leaves to transforms, and windows of 2 x 2 results that are cut.
  add("odd_image", {2, 16, 9, 7}, 16, 3, {.padding = {0, 1}}, false);
  add("odd_width_in_groups", {3, 32, 8, 11}, 48, 3, {.padding = 1, .groups = 2});
  add("wide_padding", {1, 16, 5, 6}, 16, 5, {.padding = {4, 3}});
  add("padding_beyond_a_3x3_kernel", {1, 16, 4, 5}, 16, 3, {.padding = {3, 2}});
  add("one_row", {2, 16, 3, 40}, 16, 3);
  // On the CPU the gradient of x is a convolution: by transforms, and by sums.
  add("few_filters_5x5", {3, 16, 12, 11}, 6, 5, {.padding = 2});
  add("few_filters_3x3", {2, 8, 11, 10}, 3, 3, {.padding = 1});
  add("few_filters_7x7", {1, 6, 9, 9}, 2, 7, {.padding = 3});
  add("few_filters_even_kernel", {2, 4, 16, 15}, 1, 4, {.padding = 1});
  add("few_filters_in_groups", {3, 12, 8, 9}, 4, {3, 4}, {.padding = {1, 2}, .groups = 2});
  add("lenet_conv1_64", {64, 1, 28, 28}, 20, 5, {}, true, true).benchmark_only = true;
  add("lenet_conv2_64", {64, 20, 12, 12}, 50, 5, {}, true, true).benchmark_only = true;
  add("3x3_64_channels", {16, 64, 56, 56}, 64, 3, {.padding = 1}, true, true).benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
