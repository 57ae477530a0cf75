#include <cstdint>

#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/random.h"
#include "gnn/kernels/random_math.h"

namespace gnn::kernels {
namespace {

/// The numbers of one Philox block: one 16-byte store.
template <class T>
struct alignas(16) Draws {
  T value[draws_per_block<T>];
};

/// One thread per Philox block. `aligned`: y takes 16-byte stores.
template <class T, class Draw>
__global__ void random_fill(T* __restrict__ y, std::int64_t count, RandomRange range, bool aligned,
                            Draw draw) {
  constexpr int per_block = draws_per_block<T>;
  const std::int64_t blocks = (count + per_block - 1) / per_block;
  const GeneratorState start = range.start();
  for (std::int64_t b = global_thread(); b < blocks; b += grid_threads()) {
    Draws<T> draws;
    draw(philox_block(start.seed, start.offset + static_cast<std::uint64_t>(b)), draws.value);
    if (aligned && (b + 1) * per_block <= count) {
      reinterpret_cast<Draws<T>*>(y)[b] = draws;
    } else {
      for (int i = 0; i < per_block; ++i) {
        if (b * per_block + i < count) y[b * per_block + i] = draws.value[i];
      }
    }
  }
}

template <class T, class Draw>
void fill(Tensor& tensor, const RandomRange& range, const Draw& draw) {
  T* y = tensor.mutable_data<T>();
  const std::int64_t count = tensor.numel();
  const std::int64_t blocks = (count + draws_per_block<T> - 1) / draws_per_block<T>;
  launch(random_fill<T, Draw>, elementwise_grid(blocks), elementwise_block, 0, tensor.device(), y, count,
         range, reinterpret_cast<std::uintptr_t>(y) % 16 == 0, draw);
}

}  // namespace

void Uniform::cuda(Tensor& y, const RandomRange& range, double low, double high) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    fill<T>(y, range, UniformDraw<T>{static_cast<T>(low), static_cast<T>(high), static_cast<T>(high - low)});
  });
}

void Normal::cuda(Tensor& y, const RandomRange& range, double mean, double std) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    fill<T>(y, range, NormalDraw<T>{static_cast<T>(mean), static_cast<T>(std)});
  });
}

void RandomBits::cuda(Tensor& y, const RandomRange& range) {
  fill<std::int32_t>(y, range, BitsDraw{});
}

}  // namespace gnn::kernels
