#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gnn/core/philox.h"
#include "gnn/layers/random.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

/// Fills have no inputs, so these take a tensor of the shape and dtype to make. The references take their
/// words from core/philox.h, which is tested against the published vectors, one element at a time, and use
/// the C++ library's functions.
inline std::vector<OpCase> random() {
  std::vector<OpCase> table;
  const std::uint64_t seed = 0x123456789abcdef0;
  const std::uint64_t offset = 0xfffffffe;  // the low half of the counter overflows on the way
  const auto add = [&](const std::string& size, const Shape& shape, bool benchmark) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      const bool is_float = dtype == DType::float32;
      const std::string suffix = "_" + std::string(name_of(dtype)) + "_" + size;
      const auto fill = [=](auto make) {
        return [=](std::span<const Tensor> in) {
          Generator generator;
          generator.set_state({seed, offset});
          return make(in[0].shape(), TensorOptions{dtype, in[0].device()}, &generator);
        };
      };
      const auto word = [=](std::int64_t i) {
        return philox_block(seed, offset + static_cast<std::uint64_t>(i / 4)).word[i % 4];
      };
      const auto unit = [=](std::int64_t i) {
        if (is_float) return std::floor(word(i) / 256.0) / 16777216.0;
        return (word(2 * i + 1) * 2097152.0 + std::floor(word(2 * i) / 2048.0)) / 9007199254740992.0;
      };
      OpCase uniform;
      uniform.name = "uniform" + suffix;
      uniform.inputs = {constant(shape, dtype, 0, 0)};
      uniform.op = fill([](const Shape& s, const TensorOptions& options, Generator* generator) {
        return gnn::uniform(s, -2, 6, options, generator);
      });
      uniform.reference = [=](std::span<const Array> in) {
        Array y = array(in[0].shape);
        for (std::int64_t i = 0; i < y.shape.numel(); ++i) y[i] = -2 + 8 * unit(i);
        return y;
      };
      // One rounding of a number below 8: half a unit in the last place, 2^-22 or 2^-51, relative to 1 + its
      // size.
      uniform.tolerance = is_float ? 1.2e-7 : 2.3e-16;
      uniform.tolerance64 = uniform.tolerance;  // the dtype is the case's own
      uniform.gradient = false;
      uniform.benchmark = benchmark;
      uniform.bytes = static_cast<double>(shape.numel()) * static_cast<double>(size_of(dtype));

      OpCase normal = uniform;
      normal.name = "normal" + suffix;
      normal.op = fill([](const Shape& s, const TensorOptions& options, Generator* generator) {
        return gnn::normal(s, 0.5, 3, options, generator);
      });
      normal.reference = [=](std::span<const Array> in) {
        Array y = array(in[0].shape);
        const double pi = std::acos(-1.0);
        for (std::int64_t i = 0; i < y.shape.numel(); ++i) {
          const std::int64_t first = i - i % 2;
          // Rounded as stated: near 1 the radius depends on it.
          const float word_rounded = static_cast<float>(word(first));
          const double u =
              is_float ? static_cast<float>((word_rounded + 0.5) / 4294967296.0) : 1 - unit(first);
          const double turn = 2 * pi * unit(first + 1);
          const double radius = std::sqrt(-2 * std::log(u));
          y[i] = 0.5 + 3 * radius * (i % 2 == 0 ? std::cos(turn) : std::sin(turn));
        }
        return y;
      };
      // Logarithm, root, sine and products are within 2 units in the last place each, of numbers up to 3
      // * 6.8, and the reference's 2 pi v is off by 2^-51, times up to 3 * 8.6; where the mean cancels the
      // deviate, relative to 1.
      normal.tolerance = is_float ? 1e-6 : 2e-14;
      normal.tolerance64 = normal.tolerance;
      uniform.benchmark_only = normal.benchmark_only = shape.numel() > 1 << 20;
      table.push_back(uniform);
      table.push_back(normal);
    }
  };
  add("0", {0}, false);
  add("1", {1}, false);
  add("2", {2}, false);
  add("3", {3}, false);
  add("31", {31}, false);
  add("33x3", {33, 3}, false);
  add("1023", {1023}, false);
  add("500x800", {500, 800}, true);  // the largest weight of LeNet
  add("16M", {1 << 24}, true);       // beyond the last-level cache
  return table;
}

}  // namespace gnn::testing::cases
