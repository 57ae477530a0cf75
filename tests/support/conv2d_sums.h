#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "gnn/layers/conv2d.h"

namespace gnn::testing {

/// conv2d, float32, by sums of products: of so few channels at a time that none are left to transforms.
inline Tensor convolution_by_sums(const Tensor& x, const Tensor& weight,
                                  const Conv2dFunctionOptions& options) {
  constexpr std::int64_t most = 4;  // channels of a group
  const std::int64_t groups = options.groups;
  const std::int64_t out = weight.size(0);
  const std::int64_t group_out = out / groups;
  const std::int64_t filter = weight.numel() / out;
  const std::vector<float> weights = weight.to_vector<float>();
  std::vector<float> result;
  Shape shape;
  for (std::int64_t first = 0; first < group_out; first += most) {
    const std::int64_t count = std::min(most, group_out - first);
    std::vector<float> some;
    for (std::int64_t group = 0; group < groups; ++group) {
      const auto begin = weights.begin() + (group * group_out + first) * filter;
      some.insert(some.end(), begin, begin + count * filter);
    }
    const Tensor part = conv2d(
        x, from_values(some, {groups * count, weight.size(1), weight.size(2), weight.size(3)}), {}, options);
    const std::int64_t plane = part.size(2) * part.size(3);
    if (first == 0) {
      shape = {x.size(0), out, part.size(2), part.size(3)};
      result.resize(static_cast<std::size_t>(shape.numel()));
    }
    const std::vector<float> values = part.to_vector<float>();
    for (std::int64_t n = 0; n < x.size(0); ++n) {
      for (std::int64_t group = 0; group < groups; ++group) {
        const auto from = values.begin() + (n * groups + group) * count * plane;
        std::copy(from, from + count * plane, result.begin() + (n * out + group * group_out + first) * plane);
      }
    }
  }
  return from_values(result, shape);
}

inline double rms_difference(const std::vector<float>& values, const std::vector<double>& reference) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += (values[i] - reference[i]) * (values[i] - reference[i]);
  }
  return std::sqrt(sum / static_cast<double>(values.size()));
}

}  // namespace gnn::testing
