#pragma once

// Winograd's minimal filtering F(m, r): m neighbouring sums of r products each by m + r - 1 multiplications
// (S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
// Convolutional Neural Networks, 2016):
//
//   y[k] = Σ_i w[i] · d[k + i],  k = 0 … m - 1;   y = output(kernel(w) ⊙ input(d))
//
// For 2 x 2 sums of r x r products the transforms F(2, r) are applied to rows and to columns: (r + 1)²
// products take the place of 4 r². With F(4, r) for columns, (r + 3) (r + 1) take the place of 8 r²: of a
// third fewer for each sum where r = 5, and of a quarter where r = 3. Not installed.
//
// They are evaluations of polynomials at m + r - 2 points and at infinity. The points decide what rounding
// costs: of those tried these have the least error; for F(2, 5), half that of the usual 0, ±1, ±2.
//
// The gradient of w follows from the same products by the transposed transforms, where d's stays what it is:
//
//   dw = kernel_gradient(output_gradient(dy) ⊙ input(d))
//
// T is the element's type, V a vector of them.

namespace gnn::kernels {

/// F(outputs, taps)
template <class T, int taps, int outputs = 2>
struct WinogradTransforms;

/// Points 0, 1, -1, infinity.
template <class T>
struct WinogradTransforms<T, 3, 2> {
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
  template <class V>
  [[gnu::always_inline]] static void output_gradient(const V (&y)[2], V (&m)[4]) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[0] - y[1];
    m[3] = y[1];
  }
  template <class V>
  [[gnu::always_inline]] static void kernel_gradient(const V (&u)[4], V (&w)[3]) {
    const V even = (u[1] + u[2]) * T(0.5);
    w[0] = u[0] + even;
    w[1] = (u[1] - u[2]) * T(0.5);
    w[2] = even + u[3];
  }
};

/// Points 0, ±a, ±b, infinity; a = 2 / 3, b = 3 / 2.
template <class T>
struct WinogradTransforms<T, 5, 2> {
  static constexpr T a = T(2.0 / 3);
  static constexpr T b = T(1.5);
  static constexpr T a2 = T(4.0 / 9);
  static constexpr T b2 = T(2.25);
  static constexpr T scale_a = T(1.0 / (2 * (4.0 / 9) * (4.0 / 9 - 2.25)));
  static constexpr T scale_b = T(1.0 / (2 * 2.25 * (2.25 - 4.0 / 9)));

  template <class V>
  [[gnu::always_inline]] static void input(const V (&d)[6], V (&v)[6]) {
    const V even_a = d[4] - d[2] * b2;
    const V odd_a = d[3] - d[1] * b2;
    const V even_b = d[4] - d[2] * a2;
    const V odd_b = d[3] - d[1] * a2;
    v[0] = (d[0] + d[4]) - d[2] * (a2 + b2);
    v[1] = even_a + odd_a * a;
    v[2] = even_a - odd_a * a;
    v[3] = even_b + odd_b * b;
    v[4] = even_b - odd_b * b;
    v[5] = (d[1] + d[5]) - d[3] * (a2 + b2);
  }
  template <class V>
  [[gnu::always_inline]] static void kernel(const V (&w)[5], V (&u)[6]) {
    const V even_a = (w[0] + w[2] * a2 + w[4] * (a2 * a2)) * scale_a;
    const V odd_a = (w[1] + w[3] * a2) * (a * scale_a);
    const V even_b = (w[0] + w[2] * b2 + w[4] * (b2 * b2)) * scale_b;
    const V odd_b = (w[1] + w[3] * b2) * (b * scale_b);
    u[0] = w[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = w[4];
  }
  template <class V>
  [[gnu::always_inline]] static void output(const V (&m)[6], V (&y)[2]) {
    y[0] = (m[0] + (m[1] + m[2])) + (m[3] + m[4]);
    y[1] = (m[5] + (m[1] - m[2]) * a) + (m[3] - m[4]) * b;
  }
  template <class V>
  [[gnu::always_inline]] static void output_gradient(const V (&y)[2], V (&m)[6]) {
    m[0] = y[0];
    m[1] = y[0] + y[1] * a;
    m[2] = y[0] - y[1] * a;
    m[3] = y[0] + y[1] * b;
    m[4] = y[0] - y[1] * b;
    m[5] = y[1];
  }
  template <class V>
  [[gnu::always_inline]] static void kernel_gradient(const V (&u)[6], V (&w)[5]) {
    const V even_a = (u[1] + u[2]) * scale_a;
    const V odd_a = (u[1] - u[2]) * (a * scale_a);
    const V even_b = (u[3] + u[4]) * scale_b;
    const V odd_b = (u[3] - u[4]) * (b * scale_b);
    w[0] = u[0] + (even_a + even_b);
    w[1] = odd_a + odd_b;
    w[2] = even_a * a2 + even_b * b2;
    w[3] = odd_a * a2 + odd_b * b2;
    w[4] = (even_a * (a2 * a2) + even_b * (b2 * b2)) + u[5];
  }
};

/// Points 0, ±1 / 2, ±1, ±2, infinity.
template <class T>
struct WinogradTransforms<T, 5, 4> {
  template <class V>
  [[gnu::always_inline]] static void input(const V (&d)[8], V (&v)[8]) {
    const V even_half = (d[6] - d[4] * T(5)) + d[2] * T(4);
    const V odd_half = (d[5] - d[3] * T(5)) + d[1] * T(4);
    const V even_one = (d[6] - d[4] * T(4.25)) + d[2];
    const V odd_one = (d[5] - d[3] * T(4.25)) + d[1];
    const V even_two = (d[6] - d[4] * T(1.25)) + d[2] * T(0.25);
    const V odd_two = (d[5] - d[3] * T(1.25)) + d[1] * T(0.25);
    v[0] = (d[0] - d[6]) + (d[4] - d[2]) * T(5.25);
    v[1] = even_half + odd_half * T(0.5);
    v[2] = even_half - odd_half * T(0.5);
    v[3] = even_one + odd_one;
    v[4] = even_one - odd_one;
    v[5] = even_two + odd_two * T(2);
    v[6] = even_two - odd_two * T(2);
    v[7] = (d[7] - d[1]) + (d[3] - d[5]) * T(5.25);
  }
  template <class V>
  [[gnu::always_inline]] static void kernel(const V (&w)[5], V (&u)[8]) {
    const V even_half = (w[0] + w[2] * T(0.25) + w[4] * T(0.0625)) * T(1 / 1.40625);
    const V odd_half = (w[1] + w[3] * T(0.25)) * T(0.5 / 1.40625);
    const V even_one = (w[0] + w[2] + w[4]) * T(-1 / 4.5);
    const V odd_one = (w[1] + w[3]) * T(-1 / 4.5);
    const V even_two = (w[0] + w[2] * T(4) + w[4] * T(16)) * T(1.0 / 90);
    const V odd_two = (w[1] + w[3] * T(4)) * T(2.0 / 90);
    u[0] = w[0];
    u[1] = even_half + odd_half;
    u[2] = even_half - odd_half;
    u[3] = even_one + odd_one;
    u[4] = even_one - odd_one;
    u[5] = even_two + odd_two;
    u[6] = even_two - odd_two;
    u[7] = w[4];
  }
  template <class V>
  [[gnu::always_inline]] static void output(const V (&m)[8], V (&y)[4]) {
    const V even_half = m[1] + m[2];
    const V odd_half = m[1] - m[2];
    const V even_one = m[3] + m[4];
    const V odd_one = m[3] - m[4];
    const V even_two = m[5] + m[6];
    const V odd_two = m[5] - m[6];
    y[0] = (m[0] + even_half) + (even_one + even_two);
    y[1] = (odd_half * T(0.5) + odd_one) + odd_two * T(2);
    y[2] = (even_half * T(0.25) + even_one) + even_two * T(4);
    y[3] = (odd_half * T(0.125) + odd_one) + (odd_two * T(8) + m[7]);
  }
};

// One direction of a transform in two dimensions: `in` vectors to `out`.

template <class T, int taps, int outputs = 2>
struct InputTransform {
  static constexpr int in = taps + outputs - 1;
  static constexpr int out = in;
  template <class V>
  [[gnu::always_inline]] static void run(const V (&d)[in], V (&v)[out]) {
    WinogradTransforms<T, taps, outputs>::input(d, v);
  }
};

template <class T, int taps, int outputs = 2>
struct KernelTransform {
  static constexpr int in = taps;
  static constexpr int out = taps + outputs - 1;
  template <class V>
  [[gnu::always_inline]] static void run(const V (&w)[in], V (&u)[out]) {
    WinogradTransforms<T, taps, outputs>::kernel(w, u);
  }
};

template <class T, int taps, int outputs = 2>
struct OutputGradientTransform {
  static constexpr int in = outputs;
  static constexpr int out = taps + outputs - 1;
  template <class V>
  [[gnu::always_inline]] static void run(const V (&y)[in], V (&m)[out]) {
    WinogradTransforms<T, taps, outputs>::output_gradient(y, m);
  }
};

template <class T, int taps, int outputs = 2>
struct KernelGradientTransform {
  static constexpr int in = taps + outputs - 1;
  static constexpr int out = taps;
  template <class V>
  [[gnu::always_inline]] static void run(const V (&u)[in], V (&w)[out]) {
    WinogradTransforms<T, taps, outputs>::kernel_gradient(u, w);
  }
};

/// store(r, s, result) for all results of a transform in two dimensions, by `Columns` of columns and by
/// `Rows` of rows, of what load(r, s, V&) sets.
template <class V, class Columns, class Rows, class Load, class Store>
[[gnu::always_inline]] inline void transform_both_ways(Load load, Store store) {
  V columns[Rows::in][Columns::out];
  for (int s = 0; s < Rows::in; ++s) {
    V from[Columns::in];
    for (int r = 0; r < Columns::in; ++r) load(r, s, from[r]);
    Columns::run(from, columns[s]);
  }
  for (int r = 0; r < Columns::out; ++r) {
    V from[Rows::in];
    V to[Rows::out];
    for (int s = 0; s < Rows::in; ++s) from[s] = columns[s][r];
    Rows::run(from, to);
    for (int s = 0; s < Rows::out; ++s) store(r, s, to[s]);
  }
}

}  // namespace gnn::kernels
