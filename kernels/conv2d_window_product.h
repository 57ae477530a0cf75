#pragma once

#include "gnn/kernels/conv2d_windows.h"
#include "gnn/kernels/conv2d_winograd.h"

// How the tiles of one call of conv2d_windows.h are computed. Not installed.

namespace gnn::kernels {

/// Most tiles of a call.
inline constexpr int most_window_tiles = most_winograd_stack * most_winograd_stacks;

/// Computes tiles, by sums of products or by Winograd's transforms, with what these need in
/// memory for one call. The result of a lane depends on what its stack reads and on the convolution's
/// parameters alone: not on the other lanes, the batch or the number of threads.
template <class T>
class WindowProduct {
 public:
  explicit WindowProduct(const Conv2dWindows<T>& call);

  /// Windows above each other, a stack, that are computed from what the whole stack reads.
  int stack() const { return winograd_ ? layout_.stack : 1; }
  /// Stacks that are best computed together.
  int stacks() const { return winograd_ ? most_winograd_stacks : 1; }
  /// `count` <= stacks() stacks of tiles of a group, each from top to bottom, that differ in panel, pixels, y
  /// and choice only; those not wanted() are left out. For any thread of a parallel_for().
  void operator()(std::int64_t group, const WindowTile<T>* tiles, int count) const;

 private:
  void sums_of_products(const WindowTile<T>& tile, const T* wanted, T* scratch, std::uint8_t* chosen) const;

  bool winograd_;
  WinogradLayout layout_{};
  Tensor weight_memory_, scratch_memory_, chosen_memory_;
  T* weight_ = nullptr;   // transformed, [group]
  T* scratch_ = nullptr;  // of each thread
  std::uint8_t* chosen_ = nullptr;
  std::int64_t scratch_size_ = 0;
  std::int64_t result_size_ = 0;  // of a tile's pixels
};

}  // namespace gnn::kernels
