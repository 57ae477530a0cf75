#pragma once

#include <cstdint>

// Vectors of a fixed number of bytes for the CPU kernels that are written in terms of registers. Not
// installed.

namespace gnn::kernels {

/// A vector of `bytes` bytes that may lie at any address aligned for T.
template <class T, int bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(bytes), aligned(alignof(T)), may_alias));
};

template <class T, int bytes>
inline constexpr int lanes_of = bytes / static_cast<int>(sizeof(T));

/// The vector at an address. A reference: vectors as arguments would depend on the instruction set.
template <int bytes, class T>
[[gnu::always_inline]] inline const typename VectorOf<T, bytes>::type& vector_at(const T* address) {
  return *reinterpret_cast<const typename VectorOf<T, bytes>::type*>(address);
}
template <int bytes, class T>
[[gnu::always_inline]] inline typename VectorOf<T, bytes>::type& vector_at(T* address) {
  return *reinterpret_cast<typename VectorOf<T, bytes>::type*>(address);
}

/// Asks for `count` neighbours that are soon to be read, or written: short runs end before hardware foresees
/// them.
template <bool to_write = false, class T>
[[gnu::always_inline]] inline void prefetch_run(const T* from, std::int64_t count) {
  constexpr std::int64_t line = 64 / sizeof(T);
  for (std::int64_t i = 0; i < count; i += line) __builtin_prefetch(from + i, to_write ? 1 : 0);
}

}  // namespace gnn::kernels
