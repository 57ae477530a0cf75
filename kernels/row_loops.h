#pragma once

// Loops over one contiguous row on the CPU, which softmax and cross entropy share: several lanes, so that
// they vectorise in a fixed order. Not installed.

#include <algorithm>
#include <cstdint>
#include <limits>

namespace gnn::kernels {

inline constexpr std::int64_t row_lanes = 16;

/// The largest of x[0 … count), NaN aside; -infinity when there is none.
template <class T>
T row_max(const T* x, std::int64_t count) {
  T best = -std::numeric_limits<T>::infinity();
  std::int64_t j = 0;
  if (count >= row_lanes) {
    T lanes[row_lanes];
    std::fill(lanes, lanes + row_lanes, best);
    for (; j + row_lanes <= count; j += row_lanes) {
      for (std::int64_t k = 0; k < row_lanes; ++k) lanes[k] = x[j + k] > lanes[k] ? x[j + k] : lanes[k];
    }
    for (std::int64_t k = 0; k < row_lanes; ++k) best = lanes[k] > best ? lanes[k] : best;
  }
  for (; j < count; ++j) best = x[j] > best ? x[j] : best;
  return best;
}

/// The sum of term(j) over [0, count) in float64. `term` may store what it computed.
template <class Term>
double row_sum(std::int64_t count, const Term& term) {
  double sum = 0;
  std::int64_t j = 0;
  if (count >= row_lanes) {
    double lanes[row_lanes] = {};
    for (; j + row_lanes <= count; j += row_lanes) {
      for (std::int64_t k = 0; k < row_lanes; ++k) lanes[k] += static_cast<double>(term(j + k));
    }
    for (std::int64_t k = 0; k < row_lanes; ++k) sum += lanes[k];
  }
  for (; j < count; ++j) sum += static_cast<double>(term(j));
  return sum;
}

}  // namespace gnn::kernels
