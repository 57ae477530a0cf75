#include <algorithm>
#include <vector>

#include "gnn/core/check.h"
#include "gnn/kernels/conv2d_pool.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/row_sums.h"
#include "gnn/kernels/transpose_tile.h"
#include "gnn/kernels/vectors.h"

// Each pooled output's gradient belongs to one position of the convolution, so both gradients are sums over
// pooled outputs of one patch each: of the image (times dy, added to the weight) or of the weight (times dy,
// added to the image). With channels innermost (NHWC) a row of a patch is contiguous, and row_sums.h adds it
// a register at a time.

namespace gnn::kernels {
namespace {

/// Some rows, and some vectors of each, that one call of RowSums adds.
struct Block {
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
  std::int64_t row_step(const Block& block) const {
    return block.rows > 1 ? row(block.row + 1) - row(block.row) : 0;
  }
  /// Where the patch of position (i, j) of the convolution begins.
  std::int64_t patch(std::int64_t i, std::int64_t j) const {
    return i * z.stride.h * width + j * z.stride.w * z.cg;
  }
};

/// A patch cut into blocks; stored block by block, with rows padded to whole vectors.
template <class T>
class Blocks {
 public:
  /// `budget`: most vectors of a block.
  Blocks(const PatchRows& rows, int budget) {
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
  static constexpr std::int64_t most_vectors = RowSums<T>::most_vectors;
  std::vector<Block> blocks_;
  std::int64_t size_ = 0;
};

/// Calls f(element of the block, element of the patch as the weight has it: [c][r][s]) for every element of a
/// block but its padding.
template <class F>
[[gnu::always_inline]] inline void for_each_element(const PatchRows& rows, const Block& block, F f) {
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
constexpr std::int64_t slack = 16;

/// Where the patches of the pooled positions begin: position[p] + right · (choice & 1) + down · (choice / 2).
struct Places {
  const std::int32_t* position;
  std::int32_t right, down;

  std::int32_t patch(std::int64_t p, int choice) const {
    return position[p] + (choice & 1) * right + (choice >> 1 & 1) * down;
  }
};

Places find_places(const Conv2dPoolSizes& z, const PatchRows& rows, std::int32_t* position) {
  for (std::int64_t i = 0; i < z.pooled.h; ++i) {
    for (std::int64_t j = 0; j < z.pooled.w; ++j) {
      position[i * z.pooled.w + j] = static_cast<std::int32_t>(rows.patch(2 * i, 2 * j));
    }
  }
  return {position, static_cast<std::int32_t>(rows.patch(0, 1)), static_cast<std::int32_t>(rows.patch(1, 0))};
}

/// The terms of some channels of a few images: those of channel o begin at items[o].first.
template <class T>
struct ChannelTerms {
  std::int32_t* places;
  T* factors;
  RowSum* items;
};

/// Adds the terms of an image, `image` elements behind the first, to `channels` channels of `outputs`
/// positions each.
template <class T>
[[gnu::always_inline]] inline void collect_terms(const T* dy, const std::uint8_t* choice,
                                                 std::int64_t channels, std::int64_t outputs, bool relu,
                                                 const Places& places, std::int32_t image,
                                                 const ChannelTerms<T>& terms) {
  for (std::int64_t o = 0; o < channels; ++o) {
    RowSum& item = terms.items[o];
    std::int32_t* to = terms.places + item.first + item.count;
    T* factors = terms.factors + item.first + item.count;
    const std::int64_t from = o * outputs;
    if (!relu) {  // there is a choice for every position
      for (std::int64_t p = 0; p < outputs; ++p) {
        to[p] = image + places.patch(p, choice[from + p]);
        factors[p] = dy[from + p];
      }
      item.count += outputs;
      continue;
    }
    std::int64_t end = 0;  // nothing branches on choices, which are unpredictable
    for (std::int64_t p = 0; p < outputs; ++p) {
      to[end] = image + places.patch(p, choice[from + p]);
      factors[end] = dy[from + p];
      end += choice[from + p] != pool_no_choice;
    }
    item.count += end;
  }
}

/// Σ values[i], in sixteen sums of every sixteenth on every CPU, added up in pairs.
template <class T>
[[gnu::always_inline]] inline T sum_of(const T* values, std::int64_t count) {
  constexpr int parts = 16;
  constexpr int bytes = parts * static_cast<int>(sizeof(T));
  typename VectorOf<T, bytes>::type sums = {};
  std::int64_t i = 0;
  for (; i + parts <= count; i += parts) sums += vector_at<bytes>(values + i);
  T part[parts];
  vector_at<bytes>(part) = sums;
  for (std::int64_t rest = i; rest < count; ++rest) part[rest - i] += values[rest];
  for (int width = parts / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k) part[k] += part[k + width];
  }
  return part[0];
}

/// dweight and dbias. The batch is cut into a few parts, whose sums are added up in order at the end, so that
/// all threads have work.
template <class T>
void weight_gradient(const Conv2dPoolSizes& sizes, bool relu, const T* x, const T* dy,
                     const std::uint8_t* choice, T* dweight, T* dbias, Device device) {
  const Conv2dSizes& z = sizes.conv;
  const PatchRows rows(z);
  const RowSums<T>& sums = row_sums<T>(rows.length);
  const Blocks<T> blocks(rows, sums.budget);
  const std::int64_t stride = blocks.size() + sums.lanes;  // of a channel's sums; the bias's comes last
  const std::int64_t chunks = std::min<std::int64_t>(z.n, 8);
  const std::int64_t pieces = std::clamp<std::int64_t>(8 / (chunks * z.groups), 1, z.og);

  const TensorOptions options{dtype_of<T>, device};
  Tensor partial_memory = empty({chunks, z.o, stride}, options);
  // Images at a time, for which a channel's sums are read and written once; and channels, so that images and
  // terms stay in the first-level cache.
  constexpr std::int64_t image_elements = 24576 / sizeof(T);
  const std::int64_t together =
      std::clamp<std::int64_t>(image_elements / std::max<std::int64_t>(rows.image(), 1), 1, 4);
  const std::int64_t image_size = together * rows.image() + slack;
  constexpr std::int64_t most_channels = 128;
  const std::int64_t group_channels =
      std::clamp<std::int64_t>(2048 / (together * sizes.outputs), 1, std::min(z.og, most_channels));
  const std::int64_t most_terms = group_channels * together * sizes.outputs;
  Tensor image_memory = empty({num_threads(), image_size}, options);
  Tensor place_memory = empty({sizes.outputs}, {DType::int32, device});
  Tensor place_lists = empty({num_threads(), most_terms}, {DType::int32, device});
  Tensor factor_lists = empty({num_threads(), most_terms}, options);
  std::int32_t* all_places = place_lists.mutable_data<std::int32_t>();
  T* all_factors = factor_lists.mutable_data<T>();
  T* partial = partial_memory.mutable_data<T>();
  T* images = image_memory.mutable_data<T>();
  const Places places = find_places(sizes, rows, place_memory.mutable_data<std::int32_t>());
  const Blocks<T>* const block_list = &blocks;

  parallel_for(chunks * z.groups * pieces, 1, [=](std::int64_t begin, std::int64_t end) {
    T* image = images + thread_index() * image_size;
    RowSum items[most_channels];
    const ChannelTerms<T> terms{all_places + thread_index() * most_terms,
                                all_factors + thread_index() * most_terms, items};
    std::fill_n(image, image_size, T{0});
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t chunk = unit / (z.groups * pieces);
      const std::int64_t group = unit / pieces % z.groups;
      const std::int64_t first = group * z.og + z.og * (unit % pieces) / pieces;
      const std::int64_t last = group * z.og + z.og * (unit % pieces + 1) / pieces;
      T* chunk_sums = partial + chunk * z.o * stride;
      std::fill(chunk_sums + first * stride, chunk_sums + last * stride, T{0});
      const std::int64_t chunk_end = z.n * (chunk + 1) / chunks;
      for (std::int64_t n = z.n * chunk / chunks; n < chunk_end; n += together) {
        const std::int64_t image_count = std::min(together, chunk_end - n);
        for (std::int64_t i = 0; i < image_count; ++i) {
          to_channels_last(rows, x + ((n + i) * z.c + group * z.cg) * z.h * z.w, image + i * rows.image());
        }
        for (std::int64_t o = first; o < last; o += group_channels) {
          const std::int64_t count = std::min(group_channels, last - o);
          T* target = chunk_sums + o * stride;
          for (std::int64_t i = 0; i < count; ++i) {
            items[i] = {i * stride, i * together * sizes.outputs, 0};
          }
          for (std::int64_t i = 0; i < image_count; ++i) {
            const std::int64_t plane = ((n + i) * z.o + o) * sizes.outputs;
            collect_terms(dy + plane, choice + plane, count, sizes.outputs, relu, places,
                          static_cast<std::int32_t>(i * rows.image()), terms);
          }
          for (std::int64_t i = 0; i < count; ++i) {
            target[i * stride + block_list->size()] += sum_of(terms.factors + items[i].first, items[i].count);
          }
          for (const Block& block : *block_list) {
            sums.run[block.rows - 1][block.vectors - 1]({.target = target + block.offset,
                                                         .target_stride = block.width,
                                                         .source = image + rows.row(block.row) + block.column,
                                                         .source_stride = rows.row_step(block),
                                                         .step = 1,
                                                         .places = terms.places,
                                                         .factors = terms.factors,
                                                         .items = terms.items,
                                                         .item_count = count});
          }
        }
      }
    }
  });

  parallel_for(z.o, 1 + 16384 / (stride * chunks), [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      T* sum = partial + o * stride;
      for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
        const T* part = partial + (chunk * z.o + o) * stride;
        for (std::int64_t i = 0; i < stride; ++i) sum[i] += part[i];
      }
      if (dweight != nullptr) {
        T* out = dweight + o * z.patch;
        for (const Block& block : *block_list) {
          const T* from = sum + block.offset;
          for_each_element(rows, block,
                           [=](std::int64_t i, std::int64_t element) { out[element] = from[i]; });
        }
      }
      if (dbias != nullptr) dbias[o] = sum[block_list->size()];
    }
  });
}

/// dx, an image at a time. The terms of some positions are sorted by where their patch lies, so that its sums
/// stay in registers while the channels pass by.
template <class T>
void input_gradient(const Conv2dPoolSizes& sizes, const T* dy, const std::uint8_t* choice, const T* weight,
                    T* dx, Device device) {
  constexpr std::int64_t most_positions = 16;
  constexpr std::int64_t most_channels = 64;
  constexpr std::int64_t lists = most_positions * 5;  // for each choice, and for none
  const Conv2dSizes& z = sizes.conv;
  const PatchRows rows(z);
  const RowSums<T>& sums = row_sums<T>(rows.length);
  // Few vectors at a time: all channels of a block then fit into the first-level cache.
  const Blocks<T> blocks(rows, RowSums<T>::most_vectors);

  const TensorOptions options{dtype_of<T>, device};
  Tensor packed_memory = empty({z.o, blocks.size()}, options);
  Tensor image_memory = empty({num_threads(), rows.image() + slack}, options);
  Tensor place_memory = empty({sizes.outputs}, {DType::int32, device});
  T* packed = packed_memory.mutable_data<T>();
  T* images = image_memory.mutable_data<T>();
  const Places places = find_places(sizes, rows, place_memory.mutable_data<std::int32_t>());
  const Blocks<T>* const block_list = &blocks;

  // packed[group][block][o][element]
  parallel_for(z.o, 1 + 16384 / z.patch, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      const T* from = weight + o * z.patch;
      for (const Block& block : *block_list) {
        T* to = packed + (o / z.og * block_list->size() + block.offset) * z.og + o % z.og * block.size();
        std::fill_n(to, block.size(), T{0});
        for_each_element(rows, block, [=](std::int64_t i, std::int64_t element) { to[i] = from[element]; });
      }
    }
  });

  parallel_for(z.n * z.groups, 1, [=](std::int64_t begin, std::int64_t end) {
    T* image = images + thread_index() * (rows.image() + slack);
    std::int32_t patches[lists][most_channels];
    T factors[lists][most_channels];
    RowSum items[lists];
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t n = unit / z.groups;
      const std::int64_t group = unit % z.groups;
      const T* group_weight = packed + group * block_list->size() * z.og;
      std::fill_n(image, rows.image() + slack, T{0});
      for (std::int64_t first = 0; first < z.og; first += most_channels) {
        const std::int64_t last = std::min(z.og, first + most_channels);
        for (std::int64_t position = 0; position < sizes.outputs; position += most_positions) {
          const std::int64_t position_count = std::min(most_positions, sizes.outputs - position);
          for (std::int64_t list = 0; list < position_count * 5; ++list) {
            const std::int64_t p = list / 5;
            items[list] = {places.patch(position + p, static_cast<int>(list % 5)), list * most_channels, 0};
          }
          for (std::int64_t o = first; o < last; ++o) {
            const std::int64_t at = (n * z.o + group * z.og + o) * sizes.outputs + position;
            for (std::int64_t p = 0; p < position_count; ++p) {
              const std::int64_t list = p * 5 + std::min<int>(choice[at + p], 4);
              const std::int64_t at_end = items[list].count++;
              patches[list][at_end] = static_cast<std::int32_t>(o);
              factors[list][at_end] = dy[at + p];
            }
          }
          std::int64_t item_count = 0;
          for (std::int64_t list = 0; list < position_count * 5; ++list) {
            if (list % 5 < 4 && items[list].count > 0) items[item_count++] = items[list];
          }
          for (const Block& block : *block_list) {
            sums.run[block.rows - 1][block.vectors - 1]({.target = image + rows.row(block.row) + block.column,
                                                         .target_stride = rows.row_step(block),
                                                         .source = group_weight + block.offset * z.og,
                                                         .source_stride = block.width,
                                                         .step = block.size(),
                                                         .places = patches[0],
                                                         .factors = factors[0],
                                                         .items = items,
                                                         .item_count = item_count});
          }
        }
      }
      from_channels_last(rows, image, dx + (n * z.c + group * z.cg) * z.h * z.w);
    }
  });
}

}  // namespace

void Conv2dPoolBackward::cpu(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& choice,
                             Tensor& dx, Tensor& dweight, Tensor& dbias,
                             const Conv2dPoolParameters& parameters) {
  const bool weights_too = dweight.defined() || dbias.defined();
  const Conv2dPoolSizes z =
      conv2d_pool_sizes(name, weights_too ? x : dx, weight, dbias, dy, choice, parameters);
  const auto zero = [](Tensor& t) {
    if (t.defined()) Fill::cpu(t, 0.0);
  };
  if (dy.numel() == 0) {
    for (Tensor* t : {&dx, &dweight, &dbias}) zero(*t);
    return;
  }
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto* chosen = choice.data<std::uint8_t>();
    if (dx.defined() && dx.numel() > 0)
      input_gradient<T>(z, dy.data<T>(), chosen, weight.data<T>(), dx.mutable_data<T>(), dx.device());
    if (weights_too) {
      weight_gradient<T>(z, parameters.relu, x.data<T>(), dy.data<T>(), chosen,
                         dweight.defined() ? dweight.mutable_data<T>() : nullptr,
                         dbias.defined() ? dbias.mutable_data<T>() : nullptr, dy.device());
    }
  });
}

}  // namespace gnn::kernels
