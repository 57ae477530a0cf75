#pragma once

#include <cmath>
#include <cstdint>

#include "gnn/core/generator.h"
#include "gnn/core/philox.h"

namespace gnn::kernels {

/// Dropout of the four elements that one Philox block decides.
template <class T>
struct DropoutMask {
  RandomRange range;
  std::uint32_t threshold;  ///< of 31 bits, so that it holds both p = 0 and p = 1: p 2^31, rounded up
  T scale;

  DropoutMask(const RandomRange& numbers, double p)
      : range(numbers),
        threshold(static_cast<std::uint32_t>(std::ceil(p * 0x1p31))),
        scale(static_cast<T>(1 / (1 - p))) {}

  GNN_HD T apply(std::uint32_t word, T x) const { return word >> 1 < threshold ? T(0) : x * scale; }
};

}  // namespace gnn::kernels
