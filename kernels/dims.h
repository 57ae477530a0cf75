#pragma once

#include <cstdint>
#include <string>

#include "gnn/core/export.h"

namespace gnn {

/// A height and a width: of a kernel, a stride, a padding … One number stands for both.
struct Size2 {
  std::int64_t h = 0;
  std::int64_t w = 0;

  constexpr Size2() = default;
  constexpr Size2(std::int64_t both) : h(both), w(both) {}  // NOLINT: implicit, so that a plain number works
  constexpr Size2(std::int64_t height, std::int64_t width) : h(height), w(width) {}

  constexpr bool operator==(const Size2&) const = default;
  constexpr std::int64_t area() const { return h * w; }

  /// "5" when both are 5, else "(5, 3)".
  std::string to_string() const {
    if (h == w) return std::to_string(h);
    // Appended: for operator+ on a temporary, GCC 12 warns of an overlap that is not there (-Wrestrict).
    return std::string("(").append(std::to_string(h)).append(", ").append(std::to_string(w)).append(")");
  }
};

/// Number of positions of a window of `kernel` elements, `dilation` apart, that moves by `stride` over `size`
/// elements with `padding` more on each side: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride)
/// + 1; 0 when the window does not fit.
constexpr std::int64_t window_positions(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                        std::int64_t padding, std::int64_t dilation = 1) {
  const std::int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace gnn
