#pragma once

#include <string>
#include <vector>

#include "gnn/kernels/im2col.h"
#include "gnn/kernels/run.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// Calls f(element of the image, element of the columns) for every pixel of every window.
template <class F>
void for_each_window_pixel(const Shape& x, const kernels::Im2colParameters& p, std::int64_t oh,
                           std::int64_t ow, F f) {
  for (std::int64_t plane = 0; plane < x[0] * x[1]; ++plane) {
    for (std::int64_t r = 0; r < p.kernel.h; ++r) {
      for (std::int64_t s = 0; s < p.kernel.w; ++s) {
        for (std::int64_t i = 0; i < oh; ++i) {
          for (std::int64_t j = 0; j < ow; ++j) {
            const std::int64_t row = i * p.stride.h + r * p.dilation.h - p.padding.h;
            const std::int64_t column = j * p.stride.w + s * p.dilation.w - p.padding.w;
            if (row < 0 || row >= x[2] || column < 0 || column >= x[3]) continue;
            f((plane * x[2] + row) * x[3] + column,
              (((plane * p.kernel.h + r) * p.kernel.w + s) * oh + i) * ow + j);
          }
        }
      }
    }
  }
}

/// im2col and col2im, each a case of its own; neither has a gradient of its own.
inline std::vector<OpCase> im2col() {
  std::vector<OpCase> table;
  const auto add = [&](const std::string& name, const Shape& x, const kernels::Im2colParameters& p,
                       bool benchmark_only = false) {
    const std::int64_t oh = window_positions(x[2], p.kernel.h, p.stride.h, p.padding.h, p.dilation.h);
    const std::int64_t ow = window_positions(x[3], p.kernel.w, p.stride.w, p.padding.w, p.dilation.w);
    const Shape columns{x[0], x[1] * p.kernel.area(), oh * ow};
    OpCase forward;
    forward.name = "im2col_" + name;
    forward.inputs = {{x}};
    forward.op = [=](std::span<const Tensor> in) {
      Tensor result = empty(columns, in[0].options());
      kernels::run<kernels::Im2col>(in[0], result, p);
      return result;
    };
    forward.reference = [=](std::span<const Array> in) {
      Array result = array(columns);
      for_each_window_pixel(
          x, p, oh, ow, [&](std::int64_t pixel, std::int64_t element) { result[element] = in[0][pixel]; });
      return result;
    };
    forward.tolerance = 0;
    forward.tolerance64 = 0;
    forward.gradient = false;
    forward.benchmark = benchmark_only;
    forward.benchmark_only = benchmark_only;
    table.push_back(forward);

    OpCase backward = forward;
    backward.name = "col2im_" + name;
    backward.inputs = {{columns}};
    backward.op = [=](std::span<const Tensor> in) {
      Tensor result = empty(x, in[0].options());
      kernels::run<kernels::Col2im>(in[0], result, p);
      return result;
    };
    backward.reference = [=](std::span<const Array> in) {
      Array result = array(x);
      for_each_window_pixel(
          x, p, oh, ow, [&](std::int64_t pixel, std::int64_t element) { result[pixel] += in[0][element]; });
      return result;
    };
    backward.tolerance = 1e-6;  // sums of at most kernel-area values of size 1
    backward.tolerance64 = 2e-15;
    table.push_back(backward);
  };
  add("empty", {0, 2, 4, 4}, {.kernel = 3});
  add("does_not_fit", {2, 2, 2, 2}, {.kernel = 3});
  add("1x1", {1, 1, 1, 1}, {});
  add("5x5", {2, 3, 9, 8}, {.kernel = 5});
  add("padding", {2, 1, 5, 31}, {.kernel = {3, 2}, .padding = {2, 1}});
  add("stride", {1, 2, 33, 7}, {.kernel = {2, 3}, .stride = {3, 2}});
  add("stride_beyond_kernel", {1, 2, 9, 9}, {.kernel = 2, .stride = 4});
  add("dilation", {1, 3, 11, 12}, {.kernel = 3, .padding = 1, .dilation = {2, 3}});
  add("all", {2, 2, 13, 10}, {.kernel = {3, 2}, .stride = {2, 3}, .padding = {1, 2}, .dilation = {3, 2}});
  add("odd_lines", {2, 3, 19, 19}, {.kernel = 3});
  add("long_rows", {1, 1, 3, 1023}, {.kernel = 3});
  // On CUDA an image in several pieces, rows that are too long to be staged, many more rows than are read.
  add("pieces", {1, 2, 80, 100}, {.kernel = 3, .padding = 1});
  add("longer_rows", {1, 1, 3, 3500}, {.kernel = {3, 2}});
  add("stride_beyond_pieces", {1, 2, 4100, 2}, {.kernel = {2, 1}, .stride = {4000, 1}});
  add("lenet_conv2", {64, 20, 12, 12}, {.kernel = 5}, true);
  add("3x3_64_channels", {16, 64, 56, 56}, {.kernel = 3, .padding = 1}, true);
  return table;
}

}  // namespace gnn::testing::cases
