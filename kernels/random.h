#pragma once

#include "gnn/core/generator.h"
#include "gnn/core/tensor.h"

// Fills of random numbers. Which number an element gets is stated in core/philox.h and depends on the
// position in the generator's sequence and the element's index only. Both devices give the same bits. The
// caller reserves random_words() words.

namespace gnn::kernels {

/// Words that a fill of `y` takes from the sequence: one per 4 bytes.
inline std::int64_t random_words(const Tensor& y) {
  return y.numel() * static_cast<std::int64_t>(size_of(y.dtype())) / 4;
}

/// y = numbers uniform in [low, high), float32 (24 random bits) or float64 (53 random bits).
struct GNN_API Uniform {
  static constexpr const char* name = "uniform";
  static void cpu(Tensor& y, const RandomRange& range, double low, double high);
  static void cuda(Tensor& y, const RandomRange& range, double low, double high);
};

/// y = normally distributed numbers by Box and Muller's method from pairs of neighbouring uniforms u, v:
/// elements 2i and 2i + 1 are mean + std sqrt(-2 log u) times cos(2 pi v) and sin(2 pi v). float32: u = (word
/// + 1/2) / 2^32 rounded to float (up to 6.8 standard deviations); float64: u has 53 bits (up to 8.6).
struct GNN_API Normal {
  static constexpr const char* name = "normal";
  static void cpu(Tensor& y, const RandomRange& range, double mean, double std);
  static void cuda(Tensor& y, const RandomRange& range, double mean, double std);
};

/// y = the random words themselves, int32.
struct GNN_API RandomBits {
  static constexpr const char* name = "random_bits";
  static void cpu(Tensor& y, const RandomRange& range);
  static void cuda(Tensor& y, const RandomRange& range);
};

}  // namespace gnn::kernels
