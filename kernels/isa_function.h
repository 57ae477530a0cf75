#pragma once

#include <type_traits>

#include "gnn/kernels/parallel.h"

// One piece of code as a function for each instruction set, for CPU kernels that are written in terms of
// vectors of a given size. Not installed.

namespace gnn::kernels {

/// Bytes of a vector.
template <Isa isa>
inline constexpr int vector_bytes = isa == Isa::avx512 ? 64
                                    : isa == Isa::avx2 ? 32
                                                       : 16;

template <class Part>
using PartFunction = void (*)(const Part&);

#if defined(__x86_64__)
template <class Body, class Part, int bytes>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512")]] void run_body_avx512(const Part& part) {
  Body::template run<bytes>(part);
}
template <class Body, class Part, int bytes>
[[gnu::target("arch=x86-64-v3")]] void run_body_avx2(const Part& part) {
  Body::template run<bytes>(part);
}
#endif
template <class Body, class Part, int bytes>
void run_body_base(const Part& part) {
  Body::template run<bytes>(part);
}

/// Body::run<bytes>(part), which must be inline always, compiled for `isa`.
template <Isa isa, class Body, class Part, int bytes = vector_bytes<isa>>
PartFunction<Part> function_for() {
#if defined(__x86_64__)
  if constexpr (isa == Isa::avx512) return &run_body_avx512<Body, Part, bytes>;
  if constexpr (isa == Isa::avx2) return &run_body_avx2<Body, Part, bytes>;
#endif
  return &run_body_base<Body, Part, bytes>;
}

/// f(std::integral_constant<Isa, isa>()) for the widest vectors of this CPU.
template <class F>
auto for_widest_vectors(const F& f) {
#if defined(__x86_64__)
  if (cpu_isa() == Isa::avx512) return f(std::integral_constant<Isa, Isa::avx512>{});
  if (cpu_isa() == Isa::avx2) return f(std::integral_constant<Isa, Isa::avx2>{});
#endif
  return f(std::integral_constant<Isa, Isa::base>{});
}

}  // namespace gnn::kernels
