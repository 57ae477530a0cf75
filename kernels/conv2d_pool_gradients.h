#pragma once

// conv2d_pool's gradients on the CPU. Not installed.
//
// Each pooled output's gradient belongs to one position of the convolution, so both gradients are sums over
// pooled outputs of one patch each: of the image (times dy, added to the weight) or of the weight (times dy,
// added to the image). With channels innermost (NHWC) a row of a patch is contiguous, and row_sums.h adds it
// a register at a time.

#include <algorithm>
#include <vector>

#include "gnn/kernels/conv2d_pool.h"
#include "gnn/kernels/row_sums.h"
#include "gnn/kernels/transpose_tile.h"

namespace gnn::kernels {

/// Some rows, and some vectors of each, that one call of RowSums adds.
struct PatchBlock {
  std::int64_t row;
  std::int64_t rows;
  std::int64_t column;  // element of the row
  std::int64_t vectors;
  std::int64_t width;   // of a row, in elements: whole vectors
  std::int64_t offset;  // of the block among all blocks of a patch, in elements

  std::int64_t size() const { return rows * width; }
};

/// The elements of a patch in an image with channels innermost: `count` rows of `length` neighbours.
struct PatchRows {
  std::int64_t count;
  std::int64_t length;
  std::int64_t width;  // of an image's row with padding, in elements
  Conv2dSizes z;

  explicit PatchRows(const Conv2dSizes& sizes)
      : count(sizes.dilation.w == 1 ? sizes.kernel.h : sizes.kernel.area()),
        length(sizes.dilation.w == 1 ? sizes.kernel.w * sizes.cg : sizes.cg),
        width((sizes.w + 2 * sizes.padding.w) * sizes.cg),
        z(sizes) {}

  std::int64_t image() const { return (z.h + 2 * z.padding.h) * width; }
  /// Where a row begins, from the patch's first element.
  std::int64_t row(std::int64_t index) const {
    if (z.dilation.w == 1) return index * z.dilation.h * width;
    return index / z.kernel.w * z.dilation.h * width + index % z.kernel.w * z.dilation.w * z.cg;
  }
  /// Rows from `index` on, at most, that are equally far from each other.
  std::int64_t even_rows(std::int64_t index) const {
    return z.dilation.w == 1 ? count - index : z.kernel.w - index % z.kernel.w;
  }
  /// From row to row of a block.
  std::int64_t row_step(const PatchBlock& block) const {
    return block.rows > 1 ? row(block.row + 1) - row(block.row) : 0;
  }
  /// Where the patch of position (i, j) of the convolution begins.
  std::int64_t patch(std::int64_t i, std::int64_t j) const {
    return i * z.stride.h * width + j * z.stride.w * z.cg;
  }
};

/// A patch cut into blocks; stored block by block, with rows padded to whole vectors.
template <class T>
class PatchBlocks {
 public:
  /// `budget`: most vectors of a block; `most_columns`: of one of its rows.
  PatchBlocks(const PatchRows& rows, int budget, std::int64_t most_columns = RowSums<T>::most_vectors) {
    const std::int64_t most_vectors = std::clamp<std::int64_t>(most_columns, 1, RowSums<T>::most_vectors);
    const int lanes = row_sums<T>(rows.length).lanes;
    const std::int64_t row_vectors = (rows.length + lanes - 1) / lanes;
    const std::int64_t parts = (row_vectors + most_vectors - 1) / most_vectors;
    for (std::int64_t part = 0; part < parts; ++part) {
      const std::int64_t first = row_vectors * part / parts;
      const std::int64_t vectors = row_vectors * (part + 1) / parts - first;
      const std::int64_t most_rows = std::clamp<std::int64_t>(budget / vectors, 1, RowSums<T>::most_rows);
      for (std::int64_t row = 0; row < rows.count;) {
        // As equal as possible: 5 rows are 3 + 2, not 4 + 1.
        const std::int64_t rest = rows.even_rows(row);
        const std::int64_t calls = (rest + most_rows - 1) / most_rows;
        const std::int64_t count = (rest + calls - 1) / calls;
        blocks_.push_back({row, count, first * lanes, vectors, vectors * lanes, size_});
        size_ += blocks_.back().size();
        row += count;
      }
    }
  }

  auto begin() const { return blocks_.begin(); }
  auto end() const { return blocks_.end(); }
  /// Elements of a patch in blocks.
  std::int64_t size() const { return size_; }

 private:
  std::vector<PatchBlock> blocks_;
  std::int64_t size_ = 0;
};

/// Calls f(element of the block, element of the patch as the weight has it: [c][r][s]) for every element of a
/// block but its padding.
template <class F>
[[gnu::always_inline]] inline void for_each_element(const PatchRows& rows, const PatchBlock& block, F f) {
  const Conv2dSizes& z = rows.z;
  const std::int64_t end = std::min(rows.length, block.column + block.width);
  for (std::int64_t i = 0; i < block.rows; ++i) {
    const std::int64_t row = block.row + i;
    const std::int64_t first_tap = z.dilation.w == 1 ? row * z.kernel.w : row;
    std::int64_t s = block.column / z.cg;
    std::int64_t c = block.column % z.cg;
    for (std::int64_t k = block.column; k < end; ++k) {
      f(i * block.width + k - block.column, c * z.kernel.area() + first_tap + s);
      if (++c == z.cg) {
        c = 0;
        ++s;
      }
    }
  }
}

/// The group's channels of image x (without padding) as the inner part of an image with padding and channels
/// innermost, whose padding is left alone; or the way back.
template <class T>
[[gnu::always_inline]] inline void to_channels_last(const PatchRows& rows, const T* x, T* image) {
  const Conv2dSizes& z = rows.z;
  T* inner = image + z.padding.h * rows.width + z.padding.w * z.cg;
  if (z.cg == 1) {
    for (std::int64_t i = 0; i < z.h; ++i) std::copy_n(x + i * z.w, z.w, inner + i * rows.width);
    return;
  }
  if (z.padding.w == 0) return transpose_into(x, z.h * z.w, z.cg, z.h * z.w, inner, z.cg);
  for (std::int64_t i = 0; i < z.h; ++i) {
    transpose_into(x + i * z.w, z.h * z.w, z.cg, z.w, inner + i * rows.width, z.cg);
  }
}
template <class T>
[[gnu::always_inline]] inline void from_channels_last(const PatchRows& rows, const T* image, T* x) {
  const Conv2dSizes& z = rows.z;
  const T* inner = image + z.padding.h * rows.width + z.padding.w * z.cg;
  if (z.padding.w == 0) return transpose_into(inner, z.cg, z.h * z.w, z.cg, x, z.h * z.w);
  for (std::int64_t i = 0; i < z.h; ++i) {
    transpose_into(inner + i * rows.width, z.cg, z.w, z.cg, x + i * z.w, z.h * z.w);
  }
}

/// Vectors may reach that much beyond the end of an image.
inline constexpr std::int64_t image_slack = 16;

/// Where the patches of the pooled positions begin: position[p] + right · (choice & 1) + down · (choice / 2).
struct PatchPlaces {
  const std::int32_t* position;
  std::int32_t right, down;

  std::int32_t patch(std::int64_t p, int choice) const {
    return position[p] + (choice & 1) * right + (choice >> 1 & 1) * down;
  }
};

inline PatchPlaces find_places(const Conv2dPoolSizes& z, const PatchRows& rows, std::int32_t* position) {
  for (std::int64_t i = 0; i < z.pooled.h; ++i) {
    for (std::int64_t j = 0; j < z.pooled.w; ++j) {
      position[i * z.pooled.w + j] = static_cast<std::int32_t>(rows.patch(2 * i, 2 * j));
    }
  }
  return {position, static_cast<std::int32_t>(rows.patch(0, 1)), static_cast<std::int32_t>(rows.patch(1, 0))};
}

/// dweight and dbias; either may be nullptr.
template <class T>
void pool_weight_gradient(const Conv2dPoolSizes& sizes, bool relu, const T* x, const T* dy,
                          const std::uint8_t* choice, T* dweight, T* dbias, Device device);

template <class T>
void pool_input_gradient(const Conv2dPoolSizes& sizes, const T* dy, const std::uint8_t* choice,
                         const T* weight, T* dx, Device device);

}  // namespace gnn::kernels
