#include "gnn/kernels/conv2d_pool_product.h"

#include <algorithm>

#include "gnn/kernels/parallel.h"

namespace gnn::kernels {
namespace {

/// True where transforms are the better way: 3 x 3 or 5 x 5 kernels that move by one pixel, and channels
/// enough to pay for the transforms of the input (by output channels) and of the output (by input channels).
/// From 16 input channels on they also round no worse than sums do for 3 x 3, and three times as much for
/// 5 x 5, relative to the largest of the pixels that a window is computed from; with fewer channels the
/// sums, being short, are better (test_conv2d_pool measures it).
bool winograd_suits(const Conv2dSizes& z) {
  return (z.kernel == Size2(3) || z.kernel == Size2(5)) && z.stride == Size2(1) && z.dilation == Size2(1) &&
         z.cg >= 16 && z.og >= 8;
}

}  // namespace

template <class T>
PoolProduct<T>::PoolProduct(const Conv2dPoolCall<T>& call) : winograd_(winograd_suits(call.sizes.conv)) {
  if (!winograd_) return;
  const Conv2dSizes z = call.sizes.conv;
  const WinogradLayout layout = layout_ = winograd_layout<T>(z);
  result_size_ = z.og * max_pool_lanes;
  scratch_size_ = std::max(layout.scratch_size, result_size_);
  weight_memory_ = empty({z.groups, layout.weight_size()}, call.options);
  scratch_memory_ = empty({num_threads(), scratch_size_}, call.options);
  chosen_memory_ = empty({num_threads(), result_size_}, {DType::uint8, call.options.device});
  T* transformed = weight_ = weight_memory_.mutable_data<T>();
  scratch_ = scratch_memory_.mutable_data<T>();
  chosen_ = chosen_memory_.mutable_data<std::uint8_t>();

  // A block of filters takes about 0.1 µs.
  const T* weight = call.weight;
  parallel_for<Isa::base>(z.groups * layout.weight_blocks, 100, [=](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t group = begin / layout.weight_blocks;
      const std::int64_t first = group * layout.weight_blocks;
      const std::int64_t last = std::min(end, first + layout.weight_blocks);
      transform_weight(layout, weight + group * z.og * z.patch, begin - first, last - first,
                       transformed + group * layout.weight_size());
      begin = last;
    }
  });
}

template <class T>
void PoolProduct<T>::operator()(std::int64_t group, const PoolTile<T>* tiles, int count) const {
  if (!winograd_) {
    for (int t = 0; t < count; ++t) multiply_and_pool(tiles[t]);
    return;
  }
  T* scratch = scratch_ + thread_index() * scratch_size_;
  T finite[most_winograd_tiles][max_pool_lanes];
  multiply_and_pool(layout_, weight_ + group * layout_.weight_size(), tiles, count, scratch, finite);
  for (int t = 0; t < count; ++t) {
    const auto spoilt = [](T lane) { return lane != T{0}; };
    if (std::any_of(finite[t], finite[t] + pool_lanes<T>(), spoilt)) {
      sums_of_products(tiles[t], finite[t], scratch, chosen_ + thread_index() * result_size_);
    }
  }
}

/// For the lanes that are not 0 in `wanted`.
template <class T>
void PoolProduct<T>::sums_of_products(const PoolTile<T>& tile, const T* wanted, T* scratch,
                                      std::uint8_t* chosen) const {
  PoolTile<T> sums = tile;
  sums.y = scratch;
  sums.choice = tile.choice == nullptr ? nullptr : chosen;
  sums.y_stride = sums.choice_stride = max_pool_lanes;
  multiply_and_pool(sums);
  for (std::int64_t lane = 0; lane < pool_lanes<T>(); ++lane) {
    if (wanted[lane] == T{0}) continue;
    for (std::int64_t o = 0; o < tile.row_count; ++o) {
      tile.y[o * tile.y_stride + lane] = sums.y[o * sums.y_stride + lane];
      if (tile.choice == nullptr) continue;
      tile.choice[o * tile.choice_stride + lane] = sums.choice[o * sums.choice_stride + lane];
    }
  }
}

template class PoolProduct<float>;
template class PoolProduct<double>;

}  // namespace gnn::kernels
