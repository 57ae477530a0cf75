#include "gnn/kernels/conv2d_pool_product.h"

#include <algorithm>

#include "gnn/kernels/parallel.h"

namespace gnn::kernels {
namespace {

/// True where transforms are the better way. They need 5 x 5 or 3 x 3 kernels that move by one pixel; output
/// channels enough to pay for the input's transform, input channels enough to pay for the output's, and for
/// its rounding errors: a sum over c channels is a sum of c terms rather than of r² c, so that from 16
/// channels on its error is no more than twice that of the sum of products for r = 5, and less for r = 3
/// (test_conv2d_pool measures both).
bool winograd_suits(const Conv2dSizes& z) {
  return (z.kernel == Size2(3) || z.kernel == Size2(5)) && z.stride == Size2(1) && z.dilation == Size2(1) &&
         z.cg >= 16 && z.og >= 8;
}

}  // namespace

template <class T>
PoolProduct<T>::PoolProduct(const Conv2dPoolCall<T>& call) : winograd_(winograd_suits(call.sizes.conv)) {
  if (!winograd_) return;
  const Conv2dSizes z = call.sizes.conv;
  layout_ = winograd_layout<T>(z);
  weight_memory_ = empty({z.groups, layout_.weight_size()}, call.options);
  T* out = weight_memory_.mutable_data<T>();
  const T* weight = call.weight;
  const WinogradLayout layout = layout_;
  // A block's transforms take about 0.1 µs.
  parallel_for<Isa::base>(z.groups * layout.weight_blocks, 100, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end;) {
      const std::int64_t group = unit / layout.weight_blocks;
      const std::int64_t last = std::min(end, (group + 1) * layout.weight_blocks);
      transform_weight(layout, weight + group * z.og * z.patch, unit - group * layout.weight_blocks,
                       last - group * layout.weight_blocks, out + group * layout.weight_size());
      unit = last;
    }
  });
  choice_size_ = z.og * max_pool_lanes;
  scratch_size_ = layout.scratch_size + choice_size_;
  scratch_memory_ = empty({num_threads(), scratch_size_}, call.options);
  choice_memory_ = empty({num_threads(), choice_size_}, {DType::uint8, call.options.device});
}

template <class T>
void PoolProduct<T>::operator()(std::int64_t group, const PoolTile<T>* tiles, int count) const {
  if (!winograd_) {
    for (int t = 0; t < count; ++t) multiply_and_pool(tiles[t]);
    return;
  }
  T* scratch = const_cast<T*>(scratch_memory_.data<T>()) + thread_index() * scratch_size_;
  T finite[most_winograd_tiles][max_pool_lanes];
  multiply_and_pool(layout_, weight_memory_.data<T>() + group * layout_.weight_size(), tiles, count, scratch,
                    finite);
  // Transforms spread infinities and NaNs over a window, and overflow earlier: sums of products in these
  // lanes.
  const std::int64_t lanes = pool_lanes<T>();
  for (int t = 0; t < count; ++t) {
    if (std::all_of(finite[t], finite[t] + lanes, [](T lane) { return lane == T{0}; })) continue;
    const PoolTile<T>& tile = tiles[t];
    PoolTile<T> again = tile;
    again.y = scratch;
    again.y_stride = max_pool_lanes;
    if (tile.choice != nullptr) {
      again.choice = const_cast<std::uint8_t*>(choice_memory_.data<std::uint8_t>()) + thread_index() * choice_size_;
    }
    again.choice_stride = max_pool_lanes;
    multiply_and_pool(again);
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      if (finite[t][lane] == T{0}) continue;
      for (std::int64_t o = 0; o < tile.row_count; ++o) {
        tile.y[o * tile.y_stride + lane] = again.y[o * max_pool_lanes + lane];
        if (tile.choice == nullptr) continue;
        tile.choice[o * tile.choice_stride + lane] = again.choice[o * max_pool_lanes + lane];
      }
    }
  }
}

template class PoolProduct<float>;
template class PoolProduct<double>;

}  // namespace gnn::kernels
