#pragma once

// The loops of conv2d.cpp over patches of images. Not installed.
//
// All of them work on images that already have their padding, so that every patch
// lies inside: element (c, r, s) of the patch of output position (i, j) is offset_of_element +
// offset_of_position away from the image's first channel.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gnn/kernels/conv2d.h"

namespace gnn::kernels {

/// Output positions of a panel that lie in one row of one image.
struct Run {
  std::int64_t column;  // of the first, in the panel
  std::int64_t offset;  // in x, of the first element of the first position's patch
  std::int64_t length;
};

/// The runs of the positions [begin, end), counted through all images of the batch; at most one per position.
inline std::int64_t find_runs(const Conv2dSizes& z, std::int64_t group, std::int64_t begin, std::int64_t end,
                              Run* runs) {
  std::int64_t count = 0;
  for (std::int64_t position = begin; position < end; ++count) {
    const std::int64_t n = position / z.positions;
    const std::int64_t i = position % z.positions / z.ow;
    const std::int64_t j = position % z.ow;
    const std::int64_t length = std::min(z.ow - j, end - position);
    runs[count] = {position - begin, ((n * z.c + group * z.cg) * z.h + i * z.stride.h) * z.w + j * z.stride.w,
                   length};
    position += length;
  }
  return count;
}

/// The offset of each element of a patch from its first.
inline std::vector<std::int64_t> patch_offsets(const Conv2dSizes& z) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t c = 0; c < z.cg; ++c) {
    for (std::int64_t r = 0; r < z.kernel.h; ++r) {
      for (std::int64_t s = 0; s < z.kernel.w; ++s) {
        offsets.push_back((c * z.h + r * z.dilation.h) * z.w + s * z.dilation.w);
      }
    }
  }
  return offsets;
}

template <class T>
using Vector8 __attribute__((vector_size(8 * sizeof(T)), aligned(alignof(T)), may_alias)) = T;

/// panel[k][j] = element k of the patch of position j, for `elements` elements with the given offsets: im2col
/// of a few columns.
template <class T>
[[gnu::always_inline]] inline void pack_patches(const T* x, const Run* runs, std::int64_t run_count,
                                                const std::int64_t* offsets, std::int64_t elements,
                                                std::int64_t stride, std::int64_t width, T* panel) {
  using Vector = Vector8<T>;
  for (std::int64_t k = 0; k < elements; ++k, panel += width) {
    for (const Run* run = runs; run != runs + run_count; ++run) {
      const T* in = x + offsets[k] + run->offset;
      T* out = panel + run->column;
      std::int64_t j = 0;
      if (stride == 1) {
        for (; j + 8 <= run->length; j += 8) {
          *reinterpret_cast<Vector*>(out + j) = *reinterpret_cast<const Vector*>(in + j);
        }
      }
      for (; j < run->length; ++j) out[j] = in[j * stride];
    }
  }
}

/// The opposite: dx at the place of element k of the patch of position j += columns[k][j].
template <class T>
[[gnu::always_inline]] inline void add_patches(const T* columns, const Run* runs, std::int64_t run_count,
                                               const std::int64_t* offsets, std::int64_t elements,
                                               std::int64_t kernel_width, std::int64_t stride,
                                               std::int64_t width, T* dx) {
  using Vector = Vector8<T>;
  // Elements of one kernel column after the other: neighbouring columns write the same memory shifted by one,
  // which a CPU cannot forward from store to load.
  for (std::int64_t s = 0; s < std::min(kernel_width, elements); ++s) {
    for (std::int64_t k = s; k < elements; k += kernel_width) {
      for (const Run* run = runs; run != runs + run_count; ++run) {
        const T* in = columns + k * width + run->column;
        T* out = dx + offsets[k] + run->offset;
        std::int64_t j = 0;
        if (stride == 1) {
          for (; j + 8 <= run->length; j += 8) {
            *reinterpret_cast<Vector*>(out + j) += *reinterpret_cast<const Vector*>(in + j);
          }
        }
        for (; j < run->length; ++j) out[j * stride] += in[j];
      }
    }
  }
}

}  // namespace gnn::kernels
