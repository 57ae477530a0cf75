#include "gnn/kernels/conv2d_window_product.h"

#include <algorithm>

#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

template <class T>
WindowProduct<T>::WindowProduct(const Conv2dWindows<T>& call) : winograd_(winograd_suits(call.conv)) {
  if (!winograd_) return;
  const Conv2dSizes z = call.conv;
  const WinogradLayout layout = layout_ = winograd_layout<T>(z);
  result_size_ = z.og * 4 * max_window_lanes;
  scratch_size_ = std::max(layout.scratch_size, result_size_);
  weight_memory_ = empty({z.groups, layout.weight_size()}, call.options);
  scratch_memory_ = empty({num_threads(), scratch_size_}, call.options);
  chosen_memory_ =
      empty({call.choice == nullptr ? 0 : num_threads(), result_size_}, {DType::uint8, call.options.device});
  T* transformed = weight_ = weight_memory_.mutable_data<T>();
  scratch_ = scratch_memory_.mutable_data<T>();
  chosen_ = chosen_memory_.mutable_data<std::uint8_t>();

  // A block of filters takes about 0.4 µs.
  const T* weight = call.weight;
  parallel_for<Isa::base>(z.groups * layout.weight_blocks, 25, [=](std::int64_t begin, std::int64_t end) {
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
void WindowProduct<T>::operator()(std::int64_t group, const WindowTile<T>* tiles, int count) const {
  if (!winograd_) {
    for (int t = 0; t < count; ++t) multiply_windows(tiles[t]);
    return;
  }
  T* scratch = scratch_ + thread_index() * scratch_size_;
  T finite[most_winograd_stacks][max_window_lanes];
  multiply_windows(layout_, weight_ + group * layout_.weight_size(), tiles, count, scratch, finite);
  for (int t = 0; t < count * layout_.stack; ++t) {
    const T* const lanes = finite[t / layout_.stack];
    const auto spoilt = [](T lane) { return lane != T{0}; };
    if (tiles[t].wanted() && std::any_of(lanes, lanes + window_lanes<T>(), spoilt)) {
      sums_of_products(tiles[t], lanes, scratch, chosen_ + thread_index() * result_size_);
    }
  }
}

/// For the lanes that are not 0 in `wanted`.
template <class T>
void WindowProduct<T>::sums_of_products(const WindowTile<T>& tile, const T* wanted, T* scratch,
                                        std::uint8_t* chosen) const {
  WindowTile<T> sums = tile;
  if (tile.pixels != nullptr) {
    sums.pixels = scratch;
  } else {
    sums.y = scratch;
    sums.choice = tile.choice == nullptr ? nullptr : chosen;
    sums.y_stride = sums.choice_stride = max_window_lanes;
  }
  multiply_windows(sums);
  const std::int64_t lanes = window_lanes<T>();
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    if (wanted[lane] == T{0}) continue;
    if (tile.pixels != nullptr) {
      for (std::int64_t i = lane; i < tile.row_count * 4 * lanes; i += lanes) tile.pixels[i] = scratch[i];
      continue;
    }
    for (std::int64_t o = 0; o < tile.row_count; ++o) {
      tile.y[o * tile.y_stride + lane] = sums.y[o * sums.y_stride + lane];
      if (tile.choice == nullptr) continue;
      tile.choice[o * tile.choice_stride + lane] = sums.choice[o * sums.choice_stride + lane];
    }
  }
}

template class WindowProduct<float>;
template class WindowProduct<double>;

}  // namespace gnn::kernels
