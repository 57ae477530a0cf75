#pragma once

#include <string>
#include <vector>

#include "gnn/layers/avg_pool2d.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> avg_pool2d() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& shape, Size2 kernel,
                       const AvgPool2dOptions& options, Size2 out) -> OpCase& {
    OpCase op_case;
    op_case.name = name;
    op_case.inputs = {{shape, -2, 3}};
    op_case.op = [=](std::span<const Tensor> in) { return gnn::avg_pool2d(in[0], kernel, options); };
    op_case.reference = [=](std::span<const Array> in) {
      const Size2 stride = options.stride.value_or(kernel);
      const std::int64_t height = in[0].shape.size(-2);
      const std::int64_t width = in[0].shape.size(-1);
      Array y = array(shape.with(shape.dim() - 2, out.h).with(shape.dim() - 1, out.w));
      for (std::int64_t o = 0; o < y.shape.numel(); ++o) {
        const std::int64_t plane = o / (out.h * out.w);
        double sum = 0;
        double pixels = 0;
        double positions = 0;
        for (std::int64_t i = 0; i < kernel.h; ++i) {
          for (std::int64_t j = 0; j < kernel.w; ++j) {
            const std::int64_t h = o / out.w % out.h * stride.h + i - options.padding.h;
            const std::int64_t w = o % out.w * stride.w + j - options.padding.w;
            if (h < height + options.padding.h && w < width + options.padding.w) positions += 1;
            if (h < 0 || h >= height || w < 0 || w >= width) continue;
            pixels += 1;
            sum += in[0][(plane * height + h) * width + w];
          }
        }
        const double count = options.count_include_pad ? positions : pixels;
        y[o] = sum / (options.divisor_override ? static_cast<double>(*options.divisor_override) : count);
      }
      return y;
    };
    // Each addition of a window of up to 9 rounds a sum that is divided by at least 3, and partial sums keep
    // long ones as exact: at most 9 * 3 / 3 units of 2^-24, relative to 1 + the average.
    op_case.tolerance = 1e-6;
    op_case.tolerance64 = 2e-15;
    table.push_back(op_case);
    return table.back();
  };
  add("no_images", {0, 3, 4, 4}, 2, {}, 2);
  add("no_channels", {2, 0, 4, 4}, 2, {}, 2);
  add("one_pixel", {1, 1, 1, 1}, 1, {}, 1);
  add("pairs_even", {3, 2, 6, 8}, 2, {}, {3, 4});
  add("pairs_odd", {2, 3, 7, 9}, 2, {}, {3, 4});
  add("pairs_odd_ceil", {2, 3, 7, 9}, 2, {.ceil_mode = true}, {4, 5});
  add("pairs_divisor", {2, 3, 6, 4}, 2, {.divisor_override = 3}, {3, 2});
  add("pairs_1023_wide", {1, 2, 2, 1023}, 2, {}, {1, 511});
  add("no_batch", {5, 31, 33}, 2, {}, {15, 16});
  add("overlapping", {2, 3, 9, 11}, 3, {.stride = 2}, {4, 5});
  add("padded", {2, 2, 8, 33}, 3, {.stride = 1, .padding = 1}, {8, 33});
  add("padded_not_counted", {2, 2, 8, 33}, 3, {.stride = 1, .padding = 1, .count_include_pad = false},
      {8, 33});
  add("stride_beyond_kernel", {2, 2, 11, 13}, 2, {.stride = 3}, {4, 4});
  add("stride_needs_64_bits", {2, 3, 5, 7}, {3, 2}, {.stride = std::int64_t{1} << 32, .padding = 1}, 1);
  add("rectangular", {2, 2, 9, 150}, {3, 2}, {.stride = Size2(2, 1), .padding = {1, 0}}, {5, 149});
  add("ceil_padding", {1, 2, 6, 7}, 3, {.stride = 2, .padding = 1, .ceil_mode = true}, {4, 4});
  add("ceil_padding_not_counted", {1, 2, 6, 7}, 3,
      {.stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false}, {4, 4});
  add("divisor", {1, 2, 6, 7}, 3, {.stride = 3, .padding = 1, .divisor_override = -5}, {2, 3});
  add("wide_windows", {2, 2, 6, 50}, {2, 21}, {.stride = Size2(2, 9), .padding = {0, 10}}, {3, 6});
  add("global", {3, 5, 7, 7}, 7, {}, 1);
  add("global_large", {1, 2, 112, 112}, 112, {}, 1);
  const auto timed = [&](const std::string& name, const Shape& shape, Size2 kernel,
                         const AvgPool2dOptions& options, Size2 out) -> OpCase& {
    OpCase& op_case = add(name, shape, kernel, options, out);
    op_case.benchmark = true;
    op_case.flops = static_cast<double>(
        shape.with(shape.dim() - 2, out.h).with(shape.dim() - 1, out.w).numel() * kernel.area());
    return op_case;
  };
  timed("lenet_pool1", {64, 6, 28, 28}, 2, {}, 14);
  timed("lenet_pool2", {64, 16, 10, 10}, 2, {}, 5);
  timed("resnet_head", {64, 512, 7, 7}, 7, {}, 1).benchmark_only = true;
  // Beyond the last-level cache.
  timed("pairs_large", {128, 64, 56, 56}, 2, {}, 28).benchmark_only = true;
  timed("overlapping_large", {32, 64, 112, 112}, 3, {.stride = 2, .padding = 1}, 56).benchmark_only = true;
  return table;
}

}  // namespace gnn::testing::cases
