#include "gnn/kernels/random.h"

#include <algorithm>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/random_math.h"

namespace gnn::kernels {
namespace {

template <class T, class Draw>
void fill(T* y, std::int64_t count, const GeneratorState& state, const Draw& draw) {
  constexpr int per_block = draws_per_block<T>;
  const std::int64_t blocks = count / per_block;
  parallel_for<Isa::avx2>(
      blocks, elementwise_grain / 4 / per_block, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b) {
          draw(philox_block(state.seed, state.offset + static_cast<std::uint64_t>(b)), y + b * per_block);
        }
      });
  if (const std::int64_t rest = count % per_block; rest > 0) {
    T last[per_block];
    draw(philox_block(state.seed, state.offset + static_cast<std::uint64_t>(blocks)), last);
    std::copy_n(last, rest, y + blocks * per_block);
  }
}

}  // namespace

void Uniform::cpu(Tensor& y, const GeneratorState& state, double low, double high) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const UniformDraw<T> draw{static_cast<T>(low), static_cast<T>(high), static_cast<T>(high - low)};
    fill(y.mutable_data<T>(), y.numel(), state, draw);
  });
}

void Normal::cpu(Tensor& y, const GeneratorState& state, double mean, double std) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    fill(y.mutable_data<T>(), y.numel(), state, NormalDraw<T>{static_cast<T>(mean), static_cast<T>(std)});
  });
}

void RandomBits::cpu(Tensor& y, const GeneratorState& state) {
  fill(y.mutable_data<std::int32_t>(), y.numel(), state, BitsDraw{});
}

}  // namespace gnn::kernels
