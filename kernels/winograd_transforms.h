#pragma once

// Winograd's minimal filtering F(2, r): two neighbouring sums of r products each by r + 1 multiplications
// (S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
// Convolutional Neural Networks, 2016):
//
//   y[k] = Σ_i w[i] · d[k + i],  k = 0, 1;   y = output(kernel(w) ⊙ input(d))
//
// For 2 x 2 sums of r x r products the transforms are applied to rows and to columns: (r + 1)² products take
// the place of 4 r². Not installed.
//
// They are evaluations of polynomials at r points and at infinity. The points decide what rounding costs:
// 0, 1, -1, 1/2, -2 for r = 5 have half the error of the usual 0, ±1, ±2.
//
// T is the element's type, V a vector of them.

namespace gnn::kernels {

template <class T, int taps>
struct WinogradTransforms;

/// Points 0, 1, -1, infinity.
template <class T>
struct WinogradTransforms<T, 3> {
  template <class V>
  [[gnu::always_inline]] static void input(const V (&d)[4], V (&v)[4]) {
    v[0] = d[0] - d[2];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
  template <class V>
  [[gnu::always_inline]] static void kernel(const V (&w)[3], V (&u)[4]) {
    const V even = w[0] + w[2];
    u[0] = w[0];
    u[1] = (even + w[1]) * T(0.5);
    u[2] = (even - w[1]) * T(0.5);
    u[3] = w[2];
  }
  template <class V>
  [[gnu::always_inline]] static void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
  }
};

/// Points 0, 1, -1, 1/2, -2, infinity.
template <class T>
struct WinogradTransforms<T, 5> {
  template <class V>
  [[gnu::always_inline]] static void input(const V (&d)[6], V (&v)[6]) {
    const V d31 = d[3] - d[1];
    const V d42 = d[4] - d[2];
    const V low = d31 + d[2] * T(1.5);
    const V high = d42 + d[3] * T(1.5);
    v[0] = (d42 - (d[2] - d[0])) + d31 * T(1.5);
    v[1] = high + low;
    v[2] = high - low;
    v[3] = d42 + d31 * T(2);
    v[4] = d42 - d31 * T(0.5);
    v[5] = ((d[5] - d[3]) - d31) + d42 * T(1.5);
  }
  template <class V>
  [[gnu::always_inline]] static void kernel(const V (&w)[5], V (&u)[6]) {
    const V even = w[0] + w[2] + w[4];
    const V odd = w[1] + w[3];
    u[0] = w[0];
    u[1] = (odd + even) * T(1.0 / 3);
    u[2] = (odd - even) * T(1.0 / 3);
    u[3] = (w[0] * T(16) + w[1] * T(8) + w[2] * T(4) + w[3] * T(2) + w[4]) * T(-1.0 / 15);
    u[4] = (w[0] - w[1] * T(2) + w[2] * T(4) - w[3] * T(8) + w[4] * T(16)) * T(1.0 / 15);
    u[5] = w[4];
  }
  template <class V>
  [[gnu::always_inline]] static void output(const V (&m)[6], V (&y)[2]) {
    const V sum = m[1] + m[2];
    const V difference = m[1] - m[2];
    y[0] = (m[0] + sum) + (m[3] + m[4]);
    y[1] = (difference + m[5]) + (m[3] * T(0.5) - m[4] * T(2));
  }
};

}  // namespace gnn::kernels
