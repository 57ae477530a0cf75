#include "gnn/kernels/conv2d_pool_gradients.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {

/// An image at a time. The terms of some positions are sorted by where their patch lies, so that its sums
/// stay in registers while the channels pass by.
template <class T>
void pool_input_gradient(const Conv2dPoolSizes& sizes, const T* dy, const std::uint8_t* choice,
                         const T* weight, T* dx, Device device) {
  constexpr std::int64_t most_positions = 16;
  constexpr std::int64_t most_channels = 64;
  constexpr std::int64_t lists = most_positions * 5;  // for each choice, and for none
  const Conv2dSizes& z = sizes.conv;
  const PatchRows rows(z);
  const RowSums<T>& sums = row_sums<T>(rows.length);
  // Few vectors at a time: all channels of a block then fit into the first-level cache.
  const PatchBlocks<T> blocks(rows, RowSums<T>::most_vectors);

  const TensorOptions options{dtype_of<T>, device};
  Tensor packed_memory = empty({z.o, blocks.size()}, options);
  Tensor image_memory = empty({num_threads(), rows.image() + image_slack}, options);
  Tensor place_memory = empty({sizes.outputs}, {DType::int32, device});
  T* packed = packed_memory.mutable_data<T>();
  T* images = image_memory.mutable_data<T>();
  const PatchPlaces places = find_places(sizes, rows, place_memory.mutable_data<std::int32_t>());
  const PatchBlocks<T>* const block_list = &blocks;

  // packed[group][block][o][element]
  parallel_for(z.o, 1 + 16384 / z.patch, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      const T* from = weight + o * z.patch;
      for (const PatchBlock& block : *block_list) {
        T* to = packed + (o / z.og * block_list->size() + block.offset) * z.og + o % z.og * block.size();
        std::fill_n(to, block.size(), T{0});
        for_each_element(rows, block, [=](std::int64_t i, std::int64_t element) { to[i] = from[element]; });
      }
    }
  });

  parallel_for(z.n * z.groups, 1, [=](std::int64_t begin, std::int64_t end) {
    T* image = images + thread_index() * (rows.image() + image_slack);
    std::int32_t ends[lists];
    std::int32_t channels[lists * most_channels];
    T factors[lists * most_channels];
    RowSum items[lists];
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t n = unit / z.groups;
      const std::int64_t group = unit % z.groups;
      const T* group_weight = packed + group * block_list->size() * z.og;
      std::fill_n(image, rows.image() + image_slack, T{0});
      T* const target = dx + (n * z.c + group * z.cg) * z.h * z.w;
      prefetch_run<true>(target, z.cg * z.h * z.w);
      for (std::int64_t first = 0; first < z.og; first += most_channels) {
        const std::int64_t last = std::min(z.og, first + most_channels);
        for (std::int64_t position = 0; position < sizes.outputs; position += most_positions) {
          const std::int64_t position_count = std::min(most_positions, sizes.outputs - position);
          for (std::int64_t list = 0; list < position_count * 5; ++list) {
            ends[list] = static_cast<std::int32_t>(list * most_channels);
          }
          for (std::int64_t o = first; o < last; ++o) {
            const std::int64_t at = (n * z.o + group * z.og + o) * sizes.outputs + position;
            for (std::int64_t p = 0; p < position_count; ++p) {
              const std::int32_t at_end = ends[p * 5 + std::min<int>(choice[at + p], 4)]++;
              channels[at_end] = static_cast<std::int32_t>(o);
              factors[at_end] = dy[at + p];
            }
          }
          std::int64_t item_count = 0;
          for (std::int64_t list = 0; list < position_count * 5; ++list) {
            const std::int64_t at = list * most_channels;
            if (list % 5 == 4 || ends[list] == at) continue;
            items[item_count++] = {places.patch(position + list / 5, static_cast<int>(list % 5)), at,
                                   ends[list] - at};
          }
          for (const PatchBlock& block : *block_list) {
            sums.run[block.rows - 1][block.vectors - 1]({.target = image + rows.row(block.row) + block.column,
                                                         .target_stride = rows.row_step(block),
                                                         .source = group_weight + block.offset * z.og,
                                                         .source_stride = block.width,
                                                         .step = block.size(),
                                                         .places = channels,
                                                         .factors = factors,
                                                         .items = items,
                                                         .item_count = item_count});
          }
        }
      }
      from_channels_last(rows, image, target);
    }
  });
}

template void pool_input_gradient(const Conv2dPoolSizes&, const float*, const std::uint8_t*, const float*,
                                  float*, Device);
template void pool_input_gradient(const Conv2dPoolSizes&, const double*, const std::uint8_t*, const double*,
                                  double*, Device);

}  // namespace gnn::kernels
