#pragma once

// The CPU's loop over two operands that are broadcast. Not installed.

#include <algorithm>

#include "gnn/kernels/broadcast.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

/// f(i, a, b) with the operands' values at every element i of the layout. f may overwrite an operand at i
/// only.
template <class T, class F>
void for_each_pair(const BroadcastLayout& layout, std::int64_t count, const T* a, const T* b, const F& f) {
  const bool inner_a = layout.inner_a();
  const bool inner_b = layout.inner_b();
  parallel_for<elementwise_isa<T>>(count, elementwise_grain,
                                   [=, &layout](std::int64_t begin, std::int64_t end) {
                                     BroadcastCursor cursor(layout, begin);
                                     for (std::int64_t i = begin; i < end;) {
                                       const std::int64_t row = std::min(end - i, cursor.rest());
                                       const T* const from_a = a + cursor.a();
                                       const T* const from_b = b + cursor.b();
                                       if (inner_a && inner_b) {
#pragma GCC ivdep
                                         for (std::int64_t k = 0; k < row; ++k)
                                           f(i + k, from_a[k], from_b[k]);
                                       } else if (inner_a) {
                                         const T value = *from_b;
#pragma GCC ivdep
                                         for (std::int64_t k = 0; k < row; ++k) f(i + k, from_a[k], value);
                                       } else if (inner_b) {
                                         const T value = *from_a;
#pragma GCC ivdep
                                         for (std::int64_t k = 0; k < row; ++k) f(i + k, value, from_b[k]);
                                       } else {
                                         const T value_a = *from_a;
                                         const T value_b = *from_b;
                                         for (std::int64_t k = 0; k < row; ++k) f(i + k, value_a, value_b);
                                       }
                                       i += row;
                                       cursor.advance(row);
                                     }
                                   });
}

}  // namespace gnn::kernels
