#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnn::testing {

/// |got - want| in units in the last place of `want`.
inline double ulps(float got, double want) {
  const auto rounded = std::fabs(static_cast<float>(want));
  const double unit = static_cast<double>(std::nextafter(rounded, std::numeric_limits<float>::infinity())) -
                      static_cast<double>(rounded);
  return std::fabs(static_cast<double>(got) - want) / unit;
}

/// The largest error of `function` in [from, to], on an even grid and close to 0.
template <class F, class Reference>
double worst_ulps(F function, Reference reference, double from, double to) {
  double worst = 0;
  const auto look = [&](double at) {
    const auto x = static_cast<float>(at);
    worst = std::max(worst, ulps(function(x), reference(static_cast<double>(x))));
  };
  for (int i = 0; i <= 100'000; ++i) look(from + (to - from) * i / 100'000);
  for (double small = 1e-37; small < 1; small *= 1.01) {
    if (small <= to) look(small);
    if (-small >= from) look(-small);
  }
  return worst;
}

}  // namespace gnn::testing
