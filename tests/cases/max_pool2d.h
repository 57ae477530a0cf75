#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gnn/layers/max_pool2d.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> max_pool2d() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& shape, Size2 kernel,
                       const MaxPool2dOptions& options, Size2 out) -> OpCase& {
    OpCase op_case;
    op_case.name = name;
    // Distinct and at least 1e-5 apart, so that no finite difference changes a winner.
    const double range = 1 + 5e-6 * static_cast<double>(shape.numel());
    op_case.inputs = {{shape, -range, range, Fill::distinct}};
    op_case.op = [=](std::span<const Tensor> in) { return gnn::max_pool2d(in[0], kernel, options); };
    op_case.reference = [=](std::span<const Array> in) {
      const Size2 stride = options.stride.value_or(kernel);
      const std::int64_t height = in[0].shape.size(-2);
      const std::int64_t width = in[0].shape.size(-1);
      Array y = array(shape.with(shape.dim() - 2, out.h).with(shape.dim() - 1, out.w));
      for (std::int64_t o = 0; o < y.shape.numel(); ++o) {
        const std::int64_t plane = o / (out.h * out.w);
        y[o] = -std::numeric_limits<double>::infinity();
        for (std::int64_t i = 0; i < kernel.h; ++i) {
          for (std::int64_t j = 0; j < kernel.w; ++j) {
            const std::int64_t h = o / out.w % out.h * stride.h + i * options.dilation.h - options.padding.h;
            const std::int64_t w = o % out.w * stride.w + j * options.dilation.w - options.padding.w;
            if (h < 0 || h >= height || w < 0 || w >= width) continue;
            const double value = in[0][(plane * height + h) * width + w];
            if (value > y[o] || std::isnan(value)) y[o] = value;
          }
        }
      }
      return y;
    };
    // A maximum is exact. So is a float64 gradient, which adds in one order everywhere; a float32 gradient
    // adds up to 9 rounded cotangents below 1, 9 * 2^-24 + 8 * 9 * 2^-24 relative to 1 + its size.
    op_case.tolerance64 = 0;
    op_case.tolerance = 5e-6;
    table.push_back(op_case);
    return table.back();
  };
  const auto flops = [](const Shape& shape, Size2 out, Size2 kernel) {
    return static_cast<double>(shape.numel() / (shape.size(-1) * shape.size(-2)) * out.h * out.w *
                               (kernel.h * kernel.w - 1));
  };
  add("no_images", {0, 3, 4, 4}, 2, {}, 2);
  add("no_channels", {2, 0, 4, 4}, 2, {}, 2);
  add("one_pixel", {1, 1, 1, 1}, 1, {}, 1);
  add("pairs_even", {3, 2, 6, 8}, 2, {}, {3, 4});
  add("pairs_odd", {2, 3, 7, 9}, 2, {}, {3, 4});
  add("pairs_odd_ceil", {2, 3, 7, 9}, 2, {.ceil_mode = true}, {4, 5});
  add("pairs_odd_width", {2, 3, 6, 33}, 2, {}, {3, 16});
  add("pairs_odd_height", {2, 3, 31, 34}, 2, {}, {15, 17});
  add("pairs_1023_wide", {1, 2, 2, 1023}, 2, {}, {1, 511});
  add("no_batch", {5, 31, 33}, 2, {}, {15, 16});
  add("overlapping", {2, 3, 9, 11}, 3, {.stride = 2}, {4, 5});
  add("overlapping_stride_1", {2, 2, 8, 33}, 3, {.stride = 1, .padding = 1}, {8, 33});
  add("resnet_stem", {1, 4, 16, 16}, 3, {.stride = 2, .padding = 1}, {8, 8});
  add("stride_beyond_kernel", {2, 2, 11, 13}, 2, {.stride = 3}, {4, 4});
  add("stride_4_skips_pixels", {1, 2, 9, 17}, {1, 3}, {.stride = Size2(2, 4)}, {5, 4});
  add("stride_needs_64_bits", {2, 3, 5, 7}, {3, 2}, {.stride = std::int64_t{1} << 32, .padding = 1}, 1);
  add("rectangular", {2, 2, 9, 10}, {3, 2}, {.stride = Size2(2, 1), .padding = {1, 0}}, {5, 9});
  add("dilated", {1, 3, 10, 12}, 2, {.stride = 1, .padding = 1, .dilation = {2, 3}}, {10, 11});
  add("dilated_strided", {1, 3, 13, 12}, 3, {.stride = 2, .padding = {2, 1}, .dilation = 2}, {7, 5});
  add("ceil_padding", {1, 2, 6, 7}, 3, {.stride = 2, .padding = 1, .ceil_mode = true}, {4, 4});
  add("whole_plane", {4, 2, 5, 7}, {5, 7}, {}, 1);
  const auto timed = [&](const std::string& name, const Shape& shape, Size2 kernel,
                         const MaxPool2dOptions& options, Size2 out) -> OpCase& {
    OpCase& op_case = add(name, shape, kernel, options, out);
    op_case.benchmark = true;
    op_case.flops = flops(shape, out, kernel);
    return op_case;
  };
  timed("lenet_pool1", {64, 20, 24, 24}, 2, {}, 12);
  timed("lenet_pool2", {64, 50, 8, 8}, 2, {}, 4);
  for (const bool stem : {false, true}) {  // beyond the last-level cache
    OpCase& large = stem ? timed("resnet_stem_large", {32, 64, 112, 112}, 3, {.stride = 2, .padding = 1}, 56)
                         : timed("pairs_large", {128, 64, 56, 56}, 2, {}, 28);
    large.inputs[0].fill = Fill::uniform;
    large.benchmark_only = true;
  }
  return table;
}

}  // namespace gnn::testing::cases
