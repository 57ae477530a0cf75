#include <cstdint>

#include "gnn/kernels/dropout.h"
#include "gnn/kernels/dropout_math.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

template <class T>
struct alignas(16) Four {
  T value[4];
};

/// One thread per Philox block, four elements. `aligned`: x and y take 16-byte accesses. x may be y.
template <class T>
__global__ void dropout(const T* x, T* y, std::int64_t count, bool aligned, DropoutMask<T> mask) {
  const std::int64_t blocks = (count + 3) / 4;
  const GeneratorState start = mask.range.start();
  for (std::int64_t b = global_thread(); b < blocks; b += grid_threads()) {
    const PhiloxBlock block = philox_block(start.seed, start.offset + static_cast<std::uint64_t>(b));
    if (aligned && 4 * b + 4 <= count) {
      const Four<T> in = reinterpret_cast<const Four<T>*>(x)[b];
      reinterpret_cast<Four<T>*>(y)[b] = {
          {mask.apply(block.word[0], in.value[0]), mask.apply(block.word[1], in.value[1]),
           mask.apply(block.word[2], in.value[2]), mask.apply(block.word[3], in.value[3])}};
    } else {
      for (int i = 0; i < 4; ++i) {
        if (4 * b + i < count) y[4 * b + i] = mask.apply(block.word[i], x[4 * b + i]);
      }
    }
  }
}

}  // namespace

void DropoutKernel::cuda(const Tensor& x, Tensor& y, double p, const RandomRange& range) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    const bool aligned =
        (reinterpret_cast<std::uintptr_t>(in) | reinterpret_cast<std::uintptr_t>(out)) % sizeof(Four<T>) == 0;
    launch(dropout<T>, elementwise_grid((x.numel() + 3) / 4), elementwise_block, 0, x.device(), in, out,
           x.numel(), aligned, DropoutMask<T>(range, p));
  });
}

}  // namespace gnn::kernels
