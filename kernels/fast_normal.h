#pragma once

// The normal distribution for loops that vectorise on the CPU. Not installed.

#include <bit>
#include <cmath>
#include <cstdint>

#include "gnn/core/export.h"
#include "gnn/kernels/fast_exp.h"

namespace gnn::kernels {

/// The standard normal distribution's function and its density times sqrt(2 pi).
template <class T>
struct NormalValue {
  T cumulative;
  T bell;  ///< exp(-x^2 / 2)
};

/// To 4 units in the last place, also in the tail of negative x, down to the smallest normal number.
///
/// For t = |x| the tail is exp(-t^2 / 2) q(t) / (1 + t), where q is a polynomial of degree 10 in
/// (t - 5/2) / (t + 5/2), fitted to minimise the largest relative error, 4e-9. The exponent has more digits
/// than a float: the square of the first twelve bits of t is exact, and the rest of t^2 is small.
inline NormalValue<float> fast_normal(float x) {
  float t = std::fabs(x);
  t = t > 15.0F ? 15.0F : t;  // where both are 0
  const auto head = std::bit_cast<float>(std::bit_cast<std::uint32_t>(t) & 0xfffff000U);
  const float bell = exp_of_parts(split_exp(-0.5F * (head * head), -0.5F * (t - head) * (t + head)));
  const float u = (t - 2.5F) / (t + 2.5F);
  float q = -6.28876174e-05F;
  q = q * u - 2.27026351e-04F;
  q = q * u - 3.37542954e-08F;
  q = q * u + 1.26375487e-03F;
  q = q * u + 1.28451133e-03F;
  q = q * u - 6.04748770e-03F;
  q = q * u - 8.69996301e-03F;
  q = q * u + 4.60628801e-02F;
  q = q * u - 3.77166449e-02F;
  q = q * u - 9.15874799e-02F;
  q = q * u + 4.94659661e-01F;
  const float tail = bell * q / (1.0F + t);
  return {x < 0.0F ? tail : 1.0F - tail, bell};
}

template <class T>
GNN_HD NormalValue<T> libm_normal(T x) {
  // erfc, not 1 + erf: for large negative x the sum would cancel to 0.
  return {T(0.5) * std::erfc(-x * T(0.70710678118654752440)), std::exp(T(-0.5) * x * x)};
}
inline NormalValue<double> fast_normal(double x) {
  return libm_normal(x);
}

// For maths that both back ends share: the GPU's own functions there, the ones above on the host.
#if defined(__CUDA_ARCH__)
template <class T>
GNN_HD NormalValue<T> normal_of(T x) {
  return libm_normal(x);
}
#else
template <class T>
GNN_HD NormalValue<T> normal_of(T x) {
  return fast_normal(x);
}
#endif

}  // namespace gnn::kernels
