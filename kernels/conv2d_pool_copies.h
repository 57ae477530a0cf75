#pragma once

#include <algorithm>
#include <cstdint>

#include "gnn/kernels/conv2d_pool_gradients.h"
#include "gnn/kernels/vectors.h"

// What conv2d_pool's weight gradient reads on the CPU. Not installed.

namespace gnn::kernels {

/// The patches of a few images, and how RowSums reads their blocks. In an image with channels innermost their
/// rows begin anywhere, and a vector that crosses cache lines costs two loads, of which every multiply-add
/// needs one. So each row of a patch is copied to whole vectors, once for all patches that share it, for as
/// many pooled rows at a time (a strip) as the first-level cache holds. The images themselves are read where
/// few channels would use a copy, where rows are a vector each or vectors are short and rarely cross lines,
/// and where rows begin at whole vectors anyway.
template <class T>
class PatchCopies {
 public:
  PatchCopies(const Conv2dPoolSizes& sizes, const PatchRows& rows)
      : rows_(rows), copies_(worth_copying(rows)), blocks_(rows, budget(), most_columns()) {
    strip_ = sizes.pooled.h;
    std::int64_t width = 1;  // of a place, in elements
    if (copies_) {
      columns_ = 2 * sizes.pooled.w;
      for (const PatchBlock& block : blocks_) width = std::max(width, block.width);
      for (std::int64_t strips = 2; strip_ > 1 && places() * width > cache_elements; ++strips) {
        strip_ = (sizes.pooled.h + strips - 1) / strips;
      }
    }
    if (strip_ == sizes.pooled.h) {
      together_ =
          std::clamp<std::int64_t>(cache_elements / std::max<std::int64_t>(places() * width, 1), 1, 4);
    }
  }

  const PatchBlocks<T>& blocks() const { return blocks_; }
  /// Pooled rows at a time.
  std::int64_t strip() const { return strip_; }
  /// Images at a time, for which a channel's sums are read and written once.
  std::int64_t together() const { return together_; }

  /// Places of an image: where rows of patches may begin. Elements of the image, or copies.
  std::int64_t places() const { return copies_ ? place_rows(strip_) * columns_ : rows_.image(); }

  /// Elements of all copies.
  std::int64_t size() const {
    if (!copies_) return 0;
    std::int64_t width = 0;
    for (const PatchBlock& block : blocks_) width = std::max(width, block.column + block.width);
    return together_ * places() * width;
  }

  /// The places of the patches of all pooled positions.
  PatchPlaces find(const Conv2dPoolSizes& sizes, std::int32_t* position) const {
    if (!copies_) return find_places(sizes, rows_, position);
    const std::int64_t down = rows_.z.stride.h * columns_;
    for (std::int64_t p = 0; p < sizes.outputs; ++p) {
      position[p] = static_cast<std::int32_t>(2 * (p / sizes.pooled.w * down + p % sizes.pooled.w));
    }
    return {position, 1, static_cast<std::int32_t>(down)};
  }

  /// Makes the copies for `count` pooled rows from `first` on of `image_count` images.
  [[gnu::always_inline]] void copy(const T* images, std::int64_t image_count, std::int64_t first,
                                   std::int64_t count, T* copies) const {
    if (!copies_) return;
    constexpr int bytes = 64;
    constexpr int lanes = lanes_of<T, bytes>;
    const std::int64_t columns = columns_;
    const std::int64_t column_step = rows_.patch(0, 1);
    for (const PatchBlock& block : blocks_) {
      if (block.row > 0) continue;  // the blocks below read the same copies
      const std::int64_t width = block.width;
      for (std::int64_t i = 0; i < image_count; ++i) {
        const T* from = images + i * rows_.image() + rows_.patch(2 * first, 0) + block.column;
        T* to = part(copies, block) + i * places() * width;
        for (std::int64_t row = 0; row < place_rows(count); ++row, from += rows_.width) {
          for (std::int64_t column = 0; column < columns; ++column, to += width) {
            const T* in = from + column * column_step;
            for (std::int64_t k = 0; k < width; k += lanes) {
              vector_at<bytes>(to + k) = vector_at<bytes>(in + k);
            }
          }
        }
      }
    }
  }

  /// A block of the patches at all places, as a source of RowSums.
  [[gnu::always_inline]] RowSumBatch<T> source(const T* images, const T* copies,
                                               const PatchBlock& block) const {
    RowSumBatch<T> batch{};
    if (copies_) {
      batch.source_stride = rows_.z.dilation.h * columns_ * block.width;
      batch.source = part(copies, block) + block.row * batch.source_stride;
      batch.step = block.width;
    } else {
      batch.source_stride = rows_.row_step(block);
      batch.source = images + rows_.row(block.row) + block.column;
      batch.step = 1;
    }
    return batch;
  }

 private:
  static constexpr std::int64_t cache_elements = 24576 / sizeof(T);

  static bool worth_copying(const PatchRows& rows) {
    constexpr std::int64_t least_channels = 32;
    const int lanes = row_sums<T>(rows.length).lanes;
    return rows.z.og >= least_channels && rows.z.dilation.w == 1 && rows.z.cg % lanes != 0 &&
           rows.length > lanes && lanes * sizeof(T) == 64;
  }

  int budget() const { return row_sums<T>(rows_.length).budget; }
  /// Blocks of copies have all rows where possible, and about half of the sums that fit into registers: a
  /// smaller part of the copies serves more multiply-adds, and the copies of more images fit into the cache.
  std::int64_t most_columns() const {
    if (!copies_) return budget();
    return budget() / std::min<std::int64_t>(rows_.count, RowSums<T>::most_rows) / 2;
  }

  /// Rows of an image that `pooled_rows` pooled rows are computed from.
  std::int64_t place_rows(std::int64_t pooled_rows) const {
    const Conv2dSizes& z = rows_.z;
    return (2 * pooled_rows - 1) * z.stride.h + (z.kernel.h - 1) * z.dilation.h + 1;
  }

  /// The copies of the elements that the blocks of some columns have: [image][place][element].
  template <class U>
  U* part(U* copies, const PatchBlock& block) const {
    return copies + together_ * places() * block.column;
  }

  PatchRows rows_;
  bool copies_;
  PatchBlocks<T> blocks_;
  std::int64_t columns_ = 0;  // places of a row
  std::int64_t strip_ = 1;
  std::int64_t together_ = 1;
};

}  // namespace gnn::kernels
