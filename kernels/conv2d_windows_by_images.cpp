#include "gnn/kernels/conv2d_windows.h"

#include <algorithm>

#include "gnn/kernels/conv2d_window_product.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/transpose_tile.h"
#include "gnn/kernels/vectors.h"

// With an image in each lane, every pixel is a vector, and the vectors that a pooled position reads lie where
// they lie: nothing is packed for it. (With positions in the lanes, each pixel is packed for every window
// that covers it: nine times with 5 x 5 kernels.) The price is to turn the images before and the results
// after.

namespace gnn::kernels {
namespace {

/// `lanes` images side by side: [c][row][column][lane], with padding, and zeros below it for stacks of
/// windows that are cut.
struct LaneImages {
  std::int64_t h, w;  // with padding
  std::int64_t lanes;
  Conv2dSizes z;

  LaneImages(const Conv2dSizes& sizes, std::int64_t lane_count, std::int64_t least_h)
      : h(std::max(sizes.h + 2 * sizes.padding.h, least_h)),
        w(sizes.w + 2 * sizes.padding.w),
        lanes(lane_count),
        z(sizes) {}

  std::int64_t plane() const { return h * w * lanes; }
  std::int64_t size() const { return z.c * plane(); }
  std::int64_t groups() const { return (z.n + lanes - 1) / lanes; }
  /// Images of a group; fewer than `lanes` in the last.
  std::int64_t count(std::int64_t group) const { return std::min(lanes, z.n - group * lanes); }
};

template <class T>
void turn_images(const LaneImages& images, const T* x, T* out) {
  const Conv2dSizes& z = images.z;
  const bool padded = images.h > z.h || images.w > z.w;
  parallel_for<elementwise_isa<T>>(
      images.groups() * z.c, elementwise_grain / images.plane() + 1,
      [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t unit = begin; unit < end; ++unit) {
          const std::int64_t group = unit / z.c;
          const std::int64_t count = images.count(group);
          const T* from = x + (group * images.lanes * z.c + unit % z.c) * z.h * z.w;
          T* to = out + unit * images.plane();
          if (padded || count < images.lanes) std::fill_n(to, images.plane(), T{0});
          to += (z.padding.h * images.w + z.padding.w) * images.lanes;
          if (z.padding.w == 0) {  // all rows at once
            transpose_into(from, z.c * z.h * z.w, count, z.h * z.w, to, images.lanes);
            continue;
          }
          for (std::int64_t i = 0; i < z.h; ++i) {
            transpose_into(from + i * z.w, z.c * z.h * z.w, count, z.w, to + i * images.w * images.lanes,
                           images.lanes);
          }
        }
      });
}

/// Positions that are computed before they are turned: 16 x 16 blocks at most, see turn_bytes().
constexpr std::int64_t most_positions = 16;

/// out[lane * out_stride + p] = in[p][lane] for p < positions, lane < lanes; in four steps, each of which
/// interleaves the first half of the rows with the second.
[[gnu::always_inline]] inline void turn_bytes(const std::uint8_t* in, std::int64_t positions,
                                              std::int64_t lanes, std::uint8_t* out,
                                              std::int64_t out_stride) {
  using Vector = VectorOf<std::uint8_t, 16>::type;
  Vector row[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) row[i] = vector_at<16>(in + i * 16);
#pragma GCC unroll 4
  for (int step = 0; step < 4; ++step) {
    Vector next[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      next[2 * i] =
          __builtin_shufflevector(row[i], row[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = __builtin_shufflevector(row[i], row[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                29, 14, 30, 15, 31);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) row[i] = next[i];
  }
  if (positions == 16) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      if (i < lanes) vector_at<16>(out + i * out_stride) = row[i];
    }
    return;
  }
  alignas(16) std::uint8_t turned[16][16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) vector_at<16>(turned[i]) = row[i];
  for (std::int64_t i = 0; i < lanes; ++i) std::copy_n(turned[i], positions, out + i * out_stride);
}

}  // namespace

template <class T>
bool images_fill_lanes(const Conv2dWindows<T>& call) {
  constexpr std::int64_t most_bytes = 512 << 10;
  const Conv2dSizes& z = call.conv;
  const LaneImages images(z, window_lanes<T>(), 0);
  const std::int64_t empty_lanes = images.groups() * images.lanes - z.n;
  return empty_lanes * 8 <= z.n && images.size() * static_cast<std::int64_t>(sizeof(T)) <= most_bytes &&
         z.cg * call.cover().area() > 4 * z.og;
}

template <class T>
void windows_by_images(const Conv2dWindows<T>& call) {
  const Conv2dSizes z = call.conv;
  const Size2 windows = call.windows;
  const std::int64_t outputs = windows.area();
  const WindowProduct<T> product(call);
  const std::int64_t stack = product.stack();
  const std::int64_t down = stack * 2 * z.stride.h;  // from stack to stack
  const Size2 stacks = call.stacks(stack);
  const LaneImages images(z, window_lanes<T>(), (stacks.h - 1) * down + call.cover(stack).h);
  Tensor image_memory = empty({images.groups(), images.size()}, call.options);
  T* turned = image_memory.mutable_data<T>();
  turn_images(images, call.x, turned);

  Tensor offset_memory = empty({z.patch}, {DType::int32, call.options.device});
  std::int32_t* offsets = offset_memory.mutable_data<std::int32_t>();
  for (std::int64_t c = 0, p = 0; c < z.cg; ++c) {
    for (std::int64_t r = 0; r < z.kernel.h; ++r) {
      for (std::int64_t s = 0; s < z.kernel.w; ++s, ++p) {
        const std::int64_t pixel = (c * images.h + r * z.dilation.h) * images.w + s * z.dilation.w;
        offsets[p] = static_cast<std::int32_t>(pixel * images.lanes);
      }
    }
  }

  // The results of a block of positions, which wait to be turned, stay in the second-level cache; and there
  // are blocks enough for all threads. Blocks are whole rows of stacks, or parts of one; without stacks all
  // positions are one row.
  constexpr std::int64_t scratch_elements = 32768;
  const std::int64_t groups = images.groups() * z.groups;
  const std::int64_t wanted_blocks = (4 * num_threads() + groups - 1) / groups;
  const std::int64_t most = std::clamp<std::int64_t>(
      std::min(scratch_elements / (z.og * images.lanes), outputs / wanted_blocks), stack, most_positions);
  const Size2 grid = stack == 1 ? Size2(1, outputs) : windows;
  const std::int64_t block_columns = std::min(grid.w, most / stack);
  const std::int64_t column_blocks = divide_up(grid.w, block_columns);
  const std::int64_t block_rows = column_blocks > 1 ? stack : most / (stack * grid.w) * stack;
  const std::int64_t block = block_rows * block_columns;
  const std::int64_t blocks = divide_up(grid.h, block_rows) * column_blocks;
  const std::int64_t scratch_size = z.og * block * images.lanes;
  const std::int64_t chosen_size = (z.og + 1) * most_positions * 16;  // turn_bytes() reads whole blocks
  Tensor scratch_memory = empty({num_threads(), scratch_size}, call.options);
  Tensor chosen_memory =
      empty({call.choice == nullptr ? 0 : num_threads(), chosen_size}, {DType::uint8, call.options.device});
  T* scratches = scratch_memory.mutable_data<T>();
  std::uint8_t* chosen_scratches = chosen_memory.mutable_data<std::uint8_t>();

  WindowTile<T> common{};
  common.weight_stride = z.patch;
  common.row_count = z.og;
  common.depth = z.patch;
  common.offsets = offsets;
  common.channel_stride = images.plane();
  common.tap_offset[1] = z.stride.w * images.lanes;
  common.tap_offset[2] = z.stride.h * images.w * images.lanes;
  common.tap_offset[3] = common.tap_offset[1] + common.tap_offset[2];
  common.relu = call.relu;
  common.y_stride = block * images.lanes;
  common.choice_stride = most_positions * 16;

  const std::int64_t grain =
      250000 / std::max<std::int64_t>(z.og * z.patch * 4 * images.lanes * block, 1) + 1;
  const T* weight = call.weight;
  const T* bias = call.bias;
  T* all_y = call.y;
  std::uint8_t* all_choice = call.choice;
  parallel_for(groups * blocks, grain, [=, &product](std::int64_t begin, std::int64_t end) {
    T* scratch = scratches + thread_index() * scratch_size;
    std::uint8_t* chosen = all_choice == nullptr ? nullptr : chosen_scratches + thread_index() * chosen_size;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t image_group = unit / blocks / z.groups;
      const std::int64_t group = unit / blocks % z.groups;
      const std::int64_t row_begin = unit % blocks / column_blocks * block_rows;
      const std::int64_t row_end = std::min(row_begin + block_rows, grid.h);
      const std::int64_t column_begin = unit % column_blocks * block_columns;
      const std::int64_t column_end = std::min(column_begin + block_columns, grid.w);
      const std::int64_t columns = column_end - column_begin;
      const T* base = turned + image_group * images.size() + group * z.cg * images.plane();
      WindowTile<T> tiles[most_window_tiles];
      int waiting = 0;  // stacks
      for (std::int64_t row = row_begin; row < row_end; row += stack) {
        for (std::int64_t column = column_begin; column < column_end; ++column) {
          for (std::int64_t below = 0; below < stack; ++below) {
            WindowTile<T>& tile = tiles[waiting * stack + below];
            tile = common;
            tile.weight = weight + group * z.og * z.patch;
            tile.bias = bias == nullptr ? nullptr : bias + group * z.og;
            const std::int64_t window = (row + below) * grid.w + column;
            tile.panel = base + (window / windows.w * 2 * z.stride.h * images.w +
                                 window % windows.w * 2 * z.stride.w) *
                                    images.lanes;
            if (row + below >= row_end) continue;  // not wanted
            const std::int64_t i = (row + below - row_begin) * columns + column - column_begin;
            tile.y = scratch + i * images.lanes;
            tile.choice = chosen == nullptr ? nullptr : chosen + i * 16;
          }
          if (++waiting < product.stacks() && (row + stack < row_end || column + 1 < column_end)) continue;
          product(group, tiles, waiting);
          waiting = 0;
        }
      }
      // A run of positions that are neighbours in the result: all rows of the block, or each.
      const std::int64_t runs = columns == grid.w ? 1 : row_end - row_begin;
      const std::int64_t run = (row_end - row_begin) / runs * columns;
      const std::int64_t image_count = images.count(image_group);
      const std::int64_t step = z.o * outputs;  // from image to image
      std::int64_t target =
          image_group * images.lanes * step + group * z.og * outputs + row_begin * grid.w + column_begin;
      for (std::int64_t o = 0; o < z.og; ++o, target += outputs) {
        for (std::int64_t r = 0; r < runs; ++r) {
          const std::int64_t to = target + r * grid.w;
          transpose_into(scratch + (o * block + r * run) * images.lanes, images.lanes, run, image_count,
                         all_y + to, step);
          if (chosen == nullptr) continue;
          turn_bytes(chosen + (o * most_positions + r * run) * 16, run, image_count, all_choice + to, step);
        }
      }
    }
  });
}

template bool images_fill_lanes(const Conv2dWindows<float>& call);
template bool images_fill_lanes(const Conv2dWindows<double>& call);
template void windows_by_images(const Conv2dWindows<float>& call);
template void windows_by_images(const Conv2dWindows<double>& call);

}  // namespace gnn::kernels
