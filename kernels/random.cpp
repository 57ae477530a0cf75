#include "gnn/kernels/random.h"

#include <algorithm>

#include "gnn/kernels/parallel.h"
#include "gnn/kernels/philox_lanes.h"
#include "gnn/kernels/random_math.h"

namespace gnn::kernels {
namespace {

template <class T, class Draw>
void fill(T* y, std::int64_t count, const RandomRange& range, const Draw& draw) {
  constexpr std::int64_t per_block = draws_per_block<T>;
  const GeneratorState start = range.start();
  constexpr std::int64_t per_group = per_block * philox_lane_count;  // as many blocks as are computed at once
  const auto groups = [=](std::int64_t begin, std::int64_t end) {
    const Draw make = draw;  // a local: stores to y cannot change it
    for (std::int64_t g = begin; g < end; ++g) {
      PhiloxLanes lanes;
      philox_lanes(start.seed, start.offset + static_cast<std::uint64_t>(g * philox_lane_count), lanes);
      T numbers[per_block][philox_lane_count];
      for (int lane = 0; lane < philox_lane_count; ++lane) {
        T drawn[per_block];
        make(lanes.block(lane), drawn);
        for (int i = 0; i < per_block; ++i) numbers[i][lane] = drawn[i];
      }
      T* out = y + g * per_group;
      const std::int64_t left = std::min(per_group, count - g * per_group);
      if (left == per_group) {
        for (int lane = 0; lane < philox_lane_count; ++lane) {
          for (int i = 0; i < per_block; ++i) out[lane * per_block + i] = numbers[i][lane];
        }
      } else {
        for (std::int64_t k = 0; k < left; ++k) out[k] = numbers[k % per_block][k / per_block];
      }
    }
  };
  parallel_for<Isa::avx2>((count + per_group - 1) / per_group, elementwise_grain / 4 / per_group, groups);
}

}  // namespace

void Uniform::cpu(Tensor& y, const RandomRange& range, double low, double high) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const UniformDraw<T> draw{static_cast<T>(low), static_cast<T>(high), static_cast<T>(high - low)};
    fill(y.mutable_data<T>(), y.numel(), range, draw);
  });
}

void Normal::cpu(Tensor& y, const RandomRange& range, double mean, double std) {
  dispatch_floating(name, y.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    fill(y.mutable_data<T>(), y.numel(), range, NormalDraw<T>{static_cast<T>(mean), static_cast<T>(std)});
  });
}

void RandomBits::cpu(Tensor& y, const RandomRange& range) {
  fill(y.mutable_data<std::int32_t>(), y.numel(), range, BitsDraw{});
}

}  // namespace gnn::kernels
