#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cases/conv2d.h"
#include "gnn/layers/conv2d_pool.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> conv2d_pool() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& x, std::int64_t out_channels, Size2 kernel,
                       const Conv2dPoolOptions& options = {}, bool bias = true) -> OpCase& {
    const Conv2dFunctionOptions conv{options.stride, options.padding, options.dilation, options.groups};
    const std::int64_t in_group = x[1] / options.groups;
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{x}, {{out_channels, in_group, kernel.h, kernel.w}}};
    if (bias) op_case.inputs.push_back({{out_channels}});
    op_case.op = [options](std::span<const Tensor> in) {
      return gnn::conv2d_pool(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), options);
    };
    op_case.reference = [conv, relu = options.relu](std::span<const Array> in) {
      const Array full = conv2d_reference(in, conv);
      const std::int64_t height = full.shape[2];
      const std::int64_t width = full.shape[3];
      Array y = array({full.shape[0], full.shape[1], height / 2, width / 2});
      std::int64_t index = 0;
      for (std::int64_t plane = 0; plane < full.shape[0] * full.shape[1]; ++plane) {
        for (std::int64_t i = 0; i < height / 2; ++i) {
          for (std::int64_t j = 0; j < width / 2; ++j, ++index) {
            const std::int64_t first = (plane * height + 2 * i) * width + 2 * j;
            y[index] = std::max({full[first], full[first + 1], full[first + width], full[first + width + 1]});
            if (relu) y[index] = std::max(y[index], 0.0);
          }
        }
      }
      return y;
    };
    const std::int64_t oh =
        window_positions(x[2], kernel.h, options.stride.h, options.padding.h, options.dilation.h);
    const std::int64_t ow =
        window_positions(x[3], kernel.w, options.stride.w, options.padding.w, options.dilation.w);
    const std::int64_t patch = in_group * kernel.area();
    set_matmul_tolerance(op_case, std::max({patch, out_channels * kernel.area(), x[0] * oh * ow}));
    const std::int64_t pooled = x[0] * out_channels * (oh / 2) * (ow / 2);
    op_case.flops = 2.0 * static_cast<double>(4 * pooled) * static_cast<double>(patch);
    table.push_back(op_case);
    return table.back();
  };

  const auto text = [](Size2 size) {
    return size.h == size.w ? std::to_string(size.h) : std::to_string(size.h) + "x" + std::to_string(size.w);
  };
  for (const Size2 kernel : {Size2(1), Size2(3), Size2(2, 3)}) {
    for (const Size2 stride : {Size2(1), Size2(2), Size2(3, 1)}) {
      for (const Size2 padding : {Size2(0), Size2(1), Size2(0, 2)}) {
        for (const Size2 dilation : {Size2(1), Size2(2, 1), Size2(1, 2)}) {
          for (const std::int64_t groups : {1, 2}) {
            add("k" + text(kernel) + "_s" + text(stride) + "_p" + text(padding) + "_d" + text(dilation) +
                    "_g" + std::to_string(groups),
                {1, 4, 8, 8}, 6, kernel, {stride, padding, dilation, groups, dilation.h == 1}, groups == 1);
          }
        }
      }
    }
  }
  add("one_window", {1, 1, 2, 2}, 1, 1);
  add("empty_batch", {0, 2, 5, 5}, 3, 3);
  add("no_channels", {2, 2, 5, 5}, 0, 3);
  add("no_input_channels", {2, 0, 5, 5}, 3, 3);
  add("odd_rows_and_columns", {3, 2, 8, 10}, 5, {2, 4}, {.relu = true});
  add("padding_beyond_the_kernel", {1, 1, 2, 3}, 2, 2, {.padding = {3, 4}});
  add("many_channels", {2, 33, 6, 7}, 65, 3, {.padding = 1, .relu = true});
  add("windows_across_images", {11, 3, 7, 7}, 5, 2);
  add("long_rows", {1, 1, 4, 1023}, 2, 3);
  add("wide_kernel", {2, 3, 9, 20}, 4, {2, 9}, {.relu = true});
  // CUDA multiplies matrices for these, and for most of the others it does not.
  add("many_in_and_out_channels", {1, 40, 5, 6}, 96, 3, {.padding = 1, .relu = true});
  add("many_channels_strided", {2, 8, 9, 10}, 40, 3,
      {.stride = 2, .padding = 1});  // for the input's gradient alone
  add("many_channels_in_groups", {2, 140, 5, 7}, 140, {2, 1}, {.groups = 2});
  // Of its direct kernels several tiles, in both directions, several groups of channels, and pieces of an
  // image.
  add("wide_images", {1, 1, 9, 110}, 28, 3, {.padding = 1, .relu = true});
  add("tall_images", {2, 2, 150, 6}, 33, {3, 2}, {.stride = {1, 2}, .padding = {2, 0}});
  add("wide_dilation", {2, 3, 40, 33}, 5, 3, {.dilation = {9, 12}});
  use_small_values(add("deep_sums", {2, 40, 6, 6}, 20, 3, {.padding = 1}));
  // The weight's gradient copies rows of patches: in several strips and two blocks; of several images.
  add("copies_in_strips", {1, 9, 13, 17}, 33, {7, 2}, {.padding = {2, 1}, .relu = true});
  add("copies_strided_in_groups", {9, 20, 7, 9}, 64, {3, 5},
      {.stride = {2, 1}, .padding = {1, 0}, .dilation = {2, 1}, .groups = 2});
  // Batches that fill vectors with an image in each lane.
  add("image_lanes", {32, 4, 10, 9}, 5, {3, 4}, {.padding = {1, 2}, .relu = true});
  add("image_lanes_one_empty", {31, 4, 9, 12}, 6, 3, {.stride = {2, 1}, .dilation = {1, 2}, .groups = 2});
  add("image_lanes_many_positions", {16, 3, 20, 18}, 2, 5, {.relu = true});
  // Winograd's transforms on the CPU: an image in each lane, or a position; parts of blocks of channels.
  add("winograd_5x5_image_lanes", {16, 16, 11, 12}, 9, 5);
  add("winograd_3x3_image_lanes_one_empty", {31, 16, 9, 8}, 13, 3, {.padding = {0, 1}, .relu = true});
  add("winograd_5x5_positions_in_groups", {3, 34, 12, 9}, 20, 5, {.padding = 1, .groups = 2}, false);
  add("winograd_3x3_many_channels", {2, 70, 8, 7}, 53, 3, {.padding = 1, .relu = true});
  // The layers of LeNet, LeNet-5 and of a small network for 32 x 32 pixels (a few images for the tests).
  add("lenet_conv1_3", {3, 1, 28, 28}, 20, 5);
  add("lenet_conv2_3", {3, 20, 12, 12}, 50, 5);
  add("lenet5_conv1_3", {3, 1, 28, 28}, 6, 5, {.padding = 2, .relu = true});
  add("lenet5_conv2_3", {3, 6, 14, 14}, 16, 5, {.relu = true});
  const auto benchmark = [&](const std::string& name, const Shape& x, std::int64_t out_channels, Size2 kernel,
                             const Conv2dPoolOptions& options) {
    OpCase& op_case = add(name, x, out_channels, kernel, options);
    op_case.benchmark = op_case.benchmark_only = true;
  };
  benchmark("lenet_conv1_64", {64, 1, 28, 28}, 20, 5, {});
  benchmark("lenet_conv2_64", {64, 20, 12, 12}, 50, 5, {});
  benchmark("lenet5_conv1_64", {64, 1, 28, 28}, 6, 5, {.padding = 2, .relu = true});
  benchmark("lenet5_conv2_64", {64, 6, 14, 14}, 16, 5, {.relu = true});
  benchmark("3x3_3_to_64_channels", {128, 3, 32, 32}, 64, 3, {.padding = 1, .relu = true});
  benchmark("3x3_64_to_128_channels", {128, 64, 16, 16}, 128, 3, {.padding = 1, .relu = true});
  benchmark("3x3_128_to_256_channels", {128, 128, 8, 8}, 256, 3, {.padding = 1, .relu = true});
  return table;
}

}  // namespace gnn::testing::cases
