#include "gnn/kernels/parallel.h"

#include <omp.h>

#include <cstdlib>
#include <string_view>

namespace gnn::kernels {
namespace {

Isa detect() {
#if defined(__x86_64__)
  Isa isa = Isa::base;
  if (__builtin_cpu_supports("x86-64-v3")) isa = Isa::avx2;
  if (__builtin_cpu_supports("x86-64-v4")) isa = Isa::avx512;
  if (const char* wanted = std::getenv("GNN_ISA"); wanted != nullptr) {
    const std::string_view name = wanted;
    if (name == "base") return Isa::base;
    if (name == "avx2") return std::min(isa, Isa::avx2);
  }
  return isa;
#else
  return Isa::base;
#endif
}

}  // namespace

Isa cpu_isa() {
  static const Isa isa = detect();
  return isa;
}

bool in_parallel_region() {
  return omp_in_parallel() != 0;
}

int thread_index() {
  return omp_get_thread_num();
}

}  // namespace gnn::kernels
