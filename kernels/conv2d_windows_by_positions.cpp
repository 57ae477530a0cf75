#include <algorithm>

#include "gnn/kernels/conv2d_window_product.h"
#include "gnn/kernels/conv2d_windows.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

// With a window in each lane, or a stack of windows above each other, what the lanes read is packed once per
// panel: of each channel the pixels that the sums of the windows cover together, which for 5 x 5 are 36 in
// place of 100, and 48 in place of 200 for two windows.

namespace gnn::kernels {
namespace {

/// The images with their padding, each taken apart into the columns that lie `period` from each other:
/// windows that are neighbours then read neighbours, whatever the stride. Where the last windows or stacks
/// are cut, there are rows and columns of zeros for them beyond the padding.
struct SplitImages {
  std::int64_t period;  // 2 · stride.w
  std::int64_t h;       // rows with padding
  std::int64_t w;       // of each part

  /// `down`: rows from stack to stack.
  SplitImages(const Conv2dSizes& z, Size2 stacks, std::int64_t down, Size2 cover)
      : period(2 * z.stride.w),
        h(std::max(z.h + 2 * z.padding.h, (stacks.h - 1) * down + cover.h)),
        w((std::max(z.w + 2 * z.padding.w, (stacks.w - 1) * period + cover.w) + period - 1) / period) {}

  std::int64_t plane() const { return period * h * w; }
  /// Offset of column `column` (with padding) of the first row.
  std::int64_t offset(std::int64_t column) const { return column % period * h * w + column / period; }
};

/// even[j] = in[2 j], odd[j] = in[2 j + 1]
template <class T>
[[gnu::always_inline]] inline void split_pairs(const T* in, std::int64_t count, T* even, T* odd) {
  for (std::int64_t j = 0; j < count / 2; ++j) {
    even[j] = in[2 * j];
    odd[j] = in[2 * j + 1];
  }
  if (count % 2 == 1) even[count / 2] = in[count - 1];
}

template <class T>
void split_images(const Conv2dSizes& z, const SplitImages& split, const T* x, T* out) {
  const bool padded = split.h > z.h || split.period * split.w > z.w;
  parallel_for<elementwise_isa<T>>(
      z.n * z.c, elementwise_grain / split.plane() + 1, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t plane = begin; plane < end; ++plane) {
          const T* from = x + plane * z.h * z.w;
          T* to = out + plane * split.plane();
          if (padded) std::fill_n(to, split.plane(), T{0});
          if (split.period == 2 && !padded && z.w % 2 == 0) {  // all rows at once
            split_pairs(from, z.h * z.w, to, to + split.h * split.w);
            continue;
          }
          for (std::int64_t i = 0; i < z.h; ++i) {
            const T* in = from + i * z.w;
            T* row = to + (i + z.padding.h) * split.w;
            if (split.period == 2) {
              split_pairs(in, z.w, row + split.offset(z.padding.w), row + split.offset(z.padding.w + 1));
            } else {
              for (std::int64_t j = 0; j < z.w; ++j) row[split.offset(j + z.padding.w)] = in[j];
            }
          }
        }
      });
}

/// Windows of a panel that are neighbours in what they read, or in what they write.
struct Piece {
  std::int64_t lane;    // of the first
  std::int64_t offset;  // of what it reads or writes, in the group's first channel
  std::int64_t length;
};

/// The pieces of the positions [begin, end), counted through the rows of all images, which have `width`
/// each; offset_of(row, column) places the first of a row, or is less than 0 where none is wanted.
template <class OffsetOf>
[[gnu::always_inline]] inline std::int64_t find_pieces(std::int64_t begin, std::int64_t end,
                                                       std::int64_t width, OffsetOf offset_of,
                                                       Piece* pieces) {
  std::int64_t count = 0;
  for (std::int64_t position = begin; position < end;) {
    const std::int64_t length = std::min(width - position % width, end - position);
    const std::int64_t lane = position - begin;
    const std::int64_t offset = offset_of(position / width, position % width);
    position += length;
    if (offset < 0) continue;
    Piece* const last = count > 0 ? pieces + count - 1 : nullptr;
    if (last != nullptr && last->lane + last->length == lane && last->offset + last->length == offset) {
      last->length += length;
    } else {
      pieces[count++] = {lane, offset, length};
    }
  }
  return count;
}

/// Copies whole groups of eight: what is too much is overwritten by the next copy.
template <class T>
[[gnu::always_inline]] inline void copy_eights(const T* from, std::int64_t count, T* to) {
  constexpr int bytes = 8 * static_cast<int>(sizeof(T));
  vector_at<bytes>(to) = vector_at<bytes>(from);
  for (std::int64_t i = 8; i < count; i += 8) vector_at<bytes>(to + i) = vector_at<bytes>(from + i);
}

/// What a panel is packed from: cover.h rows of cover.w columns of each channel.
template <class T>
struct PanelSource {
  const T* images;
  std::int64_t plane;  // from channel to channel
  std::int64_t row;    // from row to row
  const std::int32_t* columns;
  Size2 cover;
  std::int64_t channels;
};

/// A piece of `length` elements, in vectors of `first` and, if it is longer, of four.
template <int length, class T>
[[gnu::always_inline]] inline void pack_piece(const PanelSource<T>& source, const Piece& piece,
                                              std::int64_t lanes, T* panel) {
  constexpr int first = length == 12 ? 8 : length;
  constexpr int first_bytes = first * static_cast<int>(sizeof(T));
  constexpr int rest_bytes = 4 * static_cast<int>(sizeof(T));
  T* to = panel + piece.lane;
  for (std::int64_t c = 0; c < source.channels; ++c) {
    for (std::int64_t r = 0; r < source.cover.h; ++r) {
      const T* row = source.images + piece.offset + c * source.plane + r * source.row;
      for (std::int64_t s = 0; s < source.cover.w; ++s, to += lanes) {
        const T* from = row + source.columns[s];
        vector_at<first_bytes>(to) = vector_at<first_bytes>(from);
        if constexpr (length > first) vector_at<rest_bytes>(to + first) = vector_at<rest_bytes>(from + first);
      }
    }
  }
}

/// panel[(c, r, s)][lane] = what the lane's position reads of channel c, row r and column s.
template <class T>
[[gnu::always_inline]] inline void pack_panel(const PanelSource<T>& source, const Piece* pieces,
                                              std::int64_t piece_count, std::int64_t lanes, T* panel) {
  if (std::all_of(pieces, pieces + piece_count, [](const Piece& p) { return p.length % 4 == 0; })) {
    for (const Piece* piece = pieces; piece != pieces + piece_count; ++piece) {
      switch (piece->length) {
        case 4:
          pack_piece<4>(source, *piece, lanes, panel);
          break;
        case 8:
          pack_piece<8>(source, *piece, lanes, panel);
          break;
        case 12:
          pack_piece<12>(source, *piece, lanes, panel);
          break;
        default:
          pack_piece<16>(source, *piece, lanes, panel);
      }
    }
    return;
  }
  for (std::int64_t c = 0; c < source.channels; ++c) {
    for (std::int64_t r = 0; r < source.cover.h; ++r) {
      const T* row = source.images + c * source.plane + r * source.row;
      for (std::int64_t s = 0; s < source.cover.w; ++s, panel += lanes) {
        for (const Piece* piece = pieces; piece != pieces + piece_count; ++piece) {
          copy_eights(row + source.columns[s] + piece->offset, piece->length, panel + piece->lane);
        }
      }
    }
  }
}

/// Moves the pooled results of a tile, which `tile` says where they are, to where their windows lie in the
/// output.
template <class T>
[[gnu::always_inline]] inline void place_pieces(const WindowTile<T>& tile, std::int64_t plane,
                                                const Piece* pieces, std::int64_t piece_count, T* y,
                                                std::uint8_t* choice) {
  for (std::int64_t i = 0; i < tile.row_count; ++i) {
    for (const Piece* piece = pieces; piece != pieces + piece_count; ++piece) {
      const T* from = tile.y + i * tile.y_stride + piece->lane;
      const std::int64_t to = piece->offset + i * plane;
      for (std::int64_t k = 0; k < piece->length; ++k) y[to + k] = from[k];
      if (choice == nullptr) continue;
      const std::uint8_t* chosen = tile.choice + i * tile.choice_stride + piece->lane;
      for (std::int64_t k = 0; k < piece->length; ++k) choice[to + k] = chosen[k];
    }
  }
}

/// The part of a convolution's result that a piece of windows is: two rows, or one where they are cut.
struct PixelRows {
  std::int64_t lane;    // of the first window
  std::int64_t offset;  // of its first pixel, in the group's first channel
  std::int64_t columns;
  bool two;
};

/// Those of the stacks [begin, end), counted through all images, of their windows in row `below`.
inline std::int64_t find_pixel_rows(const Conv2dSizes& z, Size2 stacks, std::int64_t stack,
                                    std::int64_t below, std::int64_t group, std::int64_t begin,
                                    std::int64_t end, PixelRows* rows) {
  std::int64_t count = 0;
  for (std::int64_t position = begin; position < end;) {
    const std::int64_t lane = position - begin;
    const std::int64_t column = 2 * (position % stacks.w);
    const std::int64_t row = 2 * (position / stacks.w % stacks.h * stack + below);
    const std::int64_t n = position / stacks.area();
    const std::int64_t length = std::min(stacks.w - position % stacks.w, end - position);
    position += length;
    if (row >= z.oh) continue;
    rows[count++] = {lane, (n * z.o + group * z.og) * z.positions + row * z.ow + column,
                     std::min(length * 2, z.ow - column), row + 1 < z.oh};
  }
  return count;
}

/// Moves the pixels of a tile's windows to the output.
template <class T>
[[gnu::always_inline]] inline void place_pixels(const WindowTile<T>& tile, std::int64_t lanes,
                                                const Conv2dSizes& z, const PixelRows* rows,
                                                std::int64_t count, T* y) {
  for (std::int64_t i = 0; i < tile.row_count; ++i, y += z.positions) {
    for (const PixelRows* row = rows; row != rows + count; ++row) {
      for (int below = 0; below < (row->two ? 2 : 1); ++below) {
        const T* left = tile.pixels + (i * 4 + below * 2) * lanes + row->lane;
        const T* right = left + lanes;
        T* to = y + row->offset + below * z.ow;
        for (std::int64_t k = 0; k < row->columns / 2; ++k) {
          to[2 * k] = left[k];
          to[2 * k + 1] = right[k];
        }
        if (row->columns % 2 == 1) to[row->columns - 1] = left[row->columns / 2];
      }
    }
  }
}

}  // namespace

template <class T>
void windows_by_positions(const Conv2dWindows<T>& call) {
  const Conv2dSizes z = call.conv;
  const Size2 windows = call.windows;
  const bool pooled = call.pooled;
  const T* weight = call.weight;
  const T* bias = call.bias;
  T* y = call.y;
  std::uint8_t* choice = call.choice;
  const TensorOptions& options = call.options;
  const std::int64_t lanes = window_lanes<T>();
  const WindowProduct<T> product(call);
  const std::int64_t stack = product.stack();
  const Size2 stacks = call.stacks(stack);
  const Size2 cover = call.cover(stack);
  const std::int64_t down = stack * 2 * z.stride.h;
  const SplitImages split(z, stacks, down, cover);
  // copy_eights() reads and writes beyond the end.
  Tensor split_memory = empty({z.n * z.c * split.plane() + max_window_lanes}, options);
  T* images = split_memory.mutable_data<T>();
  split_images(z, split, call.x, images);

  const std::int64_t panel_size = z.cg * cover.area() * lanes + max_window_lanes;
  Tensor offset_memory = empty({z.patch + cover.w}, {DType::int32, options.device});
  std::int32_t* offsets = offset_memory.mutable_data<std::int32_t>();
  std::int32_t* columns = offsets + z.patch;  // in a row of the split images
  for (std::int64_t c = 0, p = 0; c < z.cg; ++c) {
    for (std::int64_t r = 0; r < z.kernel.h; ++r) {
      for (std::int64_t s = 0; s < z.kernel.w; ++s, ++p) {
        const std::int64_t pixel = (c * cover.h + r * z.dilation.h) * cover.w + s * z.dilation.w;
        offsets[p] = static_cast<std::int32_t>(pixel * lanes);
      }
    }
  }
  for (std::int64_t s = 0; s < cover.w; ++s) columns[s] = static_cast<std::int32_t>(split.offset(s));

  const std::int64_t outputs = windows.area();
  const std::int64_t positions = z.n * stacks.area();
  const std::int64_t most = product.stacks();
  const std::int64_t unit_positions = most * lanes;
  const std::int64_t unit_count = (positions + unit_positions - 1) / unit_positions;
  const std::int64_t tile_results = z.og * lanes * (pooled ? 1 : 4);
  const std::int64_t chosen_size = choice == nullptr ? 0 : most * stack * tile_results;
  const std::int64_t thread_size = most * (panel_size + stack * tile_results);
  Tensor panel_memory = empty({num_threads(), thread_size}, options);
  Tensor chosen_memory = empty({num_threads(), chosen_size}, {DType::uint8, options.device});
  T* scratches = panel_memory.mutable_data<T>();
  std::uint8_t* chosen_scratches = chosen_memory.mutable_data<std::uint8_t>();

  WindowTile<T> common{};
  common.weight_stride = z.patch;
  common.row_count = z.og;
  common.depth = z.patch;
  common.offsets = offsets;
  common.channel_stride = cover.area() * lanes;
  common.tap_offset[1] = z.stride.w * lanes;
  common.tap_offset[2] = z.stride.h * cover.w * lanes;
  common.tap_offset[3] = common.tap_offset[1] + common.tap_offset[2];
  common.relu = call.relu;

  const std::int64_t grain =
      250000 / std::max<std::int64_t>(z.og * z.patch * 4 * unit_positions * stack, 1) + 1;
  parallel_for(z.groups * unit_count, grain, [=, &product](std::int64_t begin, std::int64_t end) {
    T* panels = scratches + thread_index() * thread_size;
    T* results = panels + most * panel_size;
    std::uint8_t* chosen = chosen_scratches + thread_index() * chosen_size;
    std::fill_n(panels, most * panel_size, T{0});
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / unit_count;
      const std::int64_t unit_begin = unit % unit_count * unit_positions;
      const std::int64_t unit_end = std::min(unit_begin + unit_positions, positions);
      WindowTile<T> tiles[most_window_tiles];
      Piece pieces[most_window_tiles][max_window_lanes];
      std::int64_t piece_counts[most_window_tiles];
      int count = 0;
      for (std::int64_t first = unit_begin; first < unit_end; first += lanes, ++count) {
        const std::int64_t last = std::min(first + lanes, positions);
        Piece inputs[max_window_lanes] = {};
        const std::int64_t input_count = find_pieces(
            first, last, stacks.w,
            [&](std::int64_t row, std::int64_t column) {
              return (row / stacks.h * z.c + group * z.cg) * split.plane() + row % stacks.h * down * split.w +
                     column;
            },
            inputs);
        T* panel = panels + count * panel_size;
        const PanelSource<T> source{images, split.plane(), split.w, columns, cover, z.cg};
        pack_panel(source, inputs, input_count, lanes, panel);

        for (std::int64_t below = 0; below < stack; ++below) {
          const std::int64_t t = count * stack + below;
          WindowTile<T>& tile = tiles[t];
          tile = common;
          tile.weight = weight + group * z.og * z.patch;
          tile.bias = bias == nullptr ? nullptr : bias + group * z.og;
          tile.panel = panel + below * 2 * common.tap_offset[2];
          if (!pooled) {
            tile.pixels = results + t * tile_results;
            continue;
          }
          piece_counts[t] = find_pieces(
              first, last, stacks.w,
              [&](std::int64_t row, std::int64_t column) {
                const std::int64_t window = row % stacks.h * stack + below;
                if (window >= windows.h) return std::int64_t{-1};
                return (row / stacks.h * z.o + group * z.og) * outputs + window * windows.w + column;
              },
              pieces[t]);
          if (piece_counts[t] == 0) continue;  // not wanted
          const Piece& output = pieces[t][0];
          const bool in_place = output.length == lanes;
          tile.y = in_place ? y + output.offset : results + t * tile_results;
          if (choice != nullptr) tile.choice = in_place ? choice + output.offset : chosen + t * tile_results;
          tile.y_stride = tile.choice_stride = in_place ? outputs : lanes;
          if (in_place) piece_counts[t] = 0;
        }
      }
      product(group, tiles, count);
      for (std::int64_t t = 0; t < count * stack; ++t) {
        if (pooled) {
          place_pieces(tiles[t], outputs, pieces[t], piece_counts[t], y, choice);
          continue;
        }
        const std::int64_t first = unit_begin + t / stack * lanes;
        PixelRows rows[max_window_lanes];
        const std::int64_t row_count = find_pixel_rows(z, stacks, stack, t % stack, group, first,
                                                       std::min(first + lanes, positions), rows);
        place_pixels(tiles[t], lanes, z, rows, row_count, y);
      }
    }
  });
}

template void windows_by_positions(const Conv2dWindows<float>& call);
template void windows_by_positions(const Conv2dWindows<double>& call);

}  // namespace gnn::kernels
