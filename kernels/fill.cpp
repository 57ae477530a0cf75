#include "gnn/kernels/fill.h"

#include <algorithm>
#include <cmath>

#include "gnn/kernels/convert.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

void Fill::cpu(Tensor& y, double value) {
  dispatch_all(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const target = y.mutable_data<T>();
    const T element = convert<T>(value);
    parallel_for(y.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
      std::fill(target + begin, target + end, element);
    });
  });
}

void Arange::cpu(Tensor& y, double start, double step) {
  dispatch_all(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const target = y.mutable_data<T>();
    parallel_for(y.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
      // fma: the same single rounding with every instruction set and on CUDA.
      for (std::int64_t i = begin; i < end; ++i) {
        target[i] = convert<T>(std::fma(static_cast<double>(i), step, start));
      }
    });
  });
}

}  // namespace gnn::kernels
