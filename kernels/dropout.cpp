#include "gnn/kernels/dropout.h"

#include "gnn/kernels/dropout_math.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

void DropoutKernel::cpu(const Tensor& x, Tensor& y, double p, const GeneratorState& state) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    const DropoutMask<T> mask(state.seed, state.offset, p);
    const std::int64_t count = x.numel();
    const auto whole_blocks = [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const PhiloxBlock block = mask.words(b);
        for (std::int64_t i = 0; i < 4; ++i) out[4 * b + i] = mask.apply(block.word[i], in[4 * b + i]);
      }
    };
    parallel_for<elementwise_isa<T>>(count / 4, elementwise_grain / 16, whole_blocks);
    const PhiloxBlock last = mask.words(count / 4);
    for (std::int64_t i = count / 4 * 4; i < count; ++i) out[i] = mask.apply(last.word[i % 4], in[i]);
  });
}

}  // namespace gnn::kernels
