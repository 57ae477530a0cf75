#include "gnn/kernels/dropout.h"

#include "gnn/kernels/dropout_math.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/philox_lanes.h"

namespace gnn::kernels {

void DropoutKernel::cpu(const Tensor& x, Tensor& y, double p, const RandomRange& range) {
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    const DropoutMask<T> mask(range, p);
    const std::int64_t count = x.numel();
    const GeneratorState start = range.start();
    constexpr std::int64_t per_group = 4 * philox_lane_count;  // elements decided at once
    const auto groups = [=](std::int64_t begin, std::int64_t end) {
      const DropoutMask<T> decide = mask;  // a local: stores to y cannot change it
      for (std::int64_t g = begin; g < end; ++g) {
        PhiloxLanes lanes;
        philox_lanes(start.seed, start.offset + static_cast<std::uint64_t>(g * philox_lane_count), lanes);
        std::uint32_t words[per_group];
        for (int lane = 0; lane < philox_lane_count; ++lane) {
          for (int i = 0; i < 4; ++i) words[4 * lane + i] = lanes.word[i][lane];
        }
        const std::int64_t first = g * per_group;
        const std::int64_t last = std::min(first + per_group, count);
        for (std::int64_t i = first; i < last; ++i) out[i] = decide.apply(words[i - first], in[i]);
      }
    };
    parallel_for<Isa::avx2>((count + per_group - 1) / per_group, elementwise_grain / 4 / per_group, groups);
  });
}

}  // namespace gnn::kernels
