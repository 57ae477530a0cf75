#include "gnn/kernels/conv2d_pool_copies.h"
#include "gnn/kernels/conv2d_pool_gradients.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/vectors.h"

namespace gnn::kernels {
namespace {

/// The terms of some channels of a few images: those of channel o begin at items[o].first.
template <class T>
struct ChannelTerms {
  std::int32_t* places;
  T* factors;
  RowSum* items;
};

constexpr int term_lanes = 16;

/// The terms of `term_lanes` positions from `p` on, as if all had a choice. A loop of fixed length: one over
/// all positions is vectorised for 64 bytes of choices at a time, which few images have.
template <class T>
[[gnu::always_inline]] inline void collect_lanes(const T* __restrict dy,
                                                 const std::uint8_t* __restrict choice,
                                                 const PatchPlaces& places, std::int64_t p,
                                                 std::int32_t image, std::int32_t* __restrict to,
                                                 T* __restrict factors) {
  const std::int32_t* __restrict position = places.position + p;
  const std::int32_t right = places.right;
  const std::int32_t down = places.down;
  for (int k = 0; k < term_lanes; ++k) {
    to[k] = image + position[k] + (choice[k] & 1) * right + (choice[k] >> 1 & 1) * down;
  }
  for (int k = 0; k < term_lanes; ++k) factors[k] = dy[k];
}

/// Adds the terms of an image, `image` places behind the first, to `channels` channels: of `outputs`
/// positions each, `plane` elements apart.
template <class T>
[[gnu::always_inline]] inline void collect_terms(const T* dy, const std::uint8_t* choice,
                                                 std::int64_t channels, std::int64_t outputs,
                                                 std::int64_t plane, bool relu, const PatchPlaces& places,
                                                 std::int32_t image, const ChannelTerms<T>& terms) {
  for (std::int64_t o = 0; o < channels; ++o) {
    RowSum& item = terms.items[o];
    std::int32_t* to = terms.places + item.first + item.count;
    T* factors = terms.factors + item.first + item.count;
    const T* const gradients = dy + o * plane;
    const std::uint8_t* const choices = choice + o * plane;
    const auto collect = [&](std::int64_t p) [[gnu::always_inline]] {
      collect_lanes(gradients + p, choices + p, places, p, image, to + p, factors + p);
    };
    std::int64_t p = 0;
    for (; p + term_lanes <= outputs; p += term_lanes) collect(p);
    if (p < outputs && outputs >= term_lanes) {  // the last ones, some of them for the second time
      collect(outputs - term_lanes);
      p = outputs;
    }
    for (; p < outputs; ++p) {
      to[p] = image + places.patch(p, choices[p]);
      factors[p] = gradients[p];
    }
    if (!relu) {  // there is a choice for every position
      item.count += outputs;
      continue;
    }
    std::int64_t end = 0;  // nothing branches on choices, which are unpredictable
    for (p = 0; p < outputs; ++p) {
      to[end] = to[p];
      factors[end] = factors[p];
      end += choices[p] != pool_no_choice;
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

}  // namespace

/// The batch is cut into a few parts, whose sums are added up in order at the end, so that
/// all threads have work.
template <class T>
void pool_weight_gradient(const Conv2dPoolSizes& sizes, bool relu, const T* x, const T* dy,
                          const std::uint8_t* choice, T* dweight, T* dbias, Device device) {
  const Conv2dSizes& z = sizes.conv;
  const PatchRows rows(z);
  const PatchCopies<T> copies(sizes, rows);
  const PatchBlocks<T>& blocks = copies.blocks();
  const RowSums<T>& sums = row_sums<T>(rows.length);
  const std::int64_t stride = blocks.size() + sums.lanes;  // of a channel's sums; the bias's comes last
  const std::int64_t chunks = std::min<std::int64_t>(z.n, 8);
  const std::int64_t pieces = std::clamp<std::int64_t>(8 / (chunks * z.groups), 1, z.og);

  const TensorOptions options{dtype_of<T>, device};
  Tensor partial_memory = empty({chunks, z.o, stride}, options);
  // Channels at a time, so that images and terms stay in the first-level cache.
  constexpr std::int64_t most_channels = 128;
  const std::int64_t together = copies.together();
  const std::int64_t strip_outputs = copies.strip() * sizes.pooled.w;
  const std::int64_t group_channels =
      std::clamp<std::int64_t>(2048 / (together * strip_outputs), 1, std::min(z.og, most_channels));
  const std::int64_t most_terms = group_channels * together * strip_outputs;
  const std::int64_t image_size = together * rows.image() + image_slack;
  Tensor image_memory = empty({num_threads(), image_size}, options);
  Tensor copy_memory = empty({num_threads(), copies.size()}, options);
  Tensor place_memory = empty({sizes.outputs}, {DType::int32, device});
  Tensor place_lists = empty({num_threads(), most_terms}, {DType::int32, device});
  Tensor factor_lists = empty({num_threads(), most_terms}, options);
  std::int32_t* all_places = place_lists.mutable_data<std::int32_t>();
  T* all_factors = factor_lists.mutable_data<T>();
  T* partial = partial_memory.mutable_data<T>();
  T* images = image_memory.mutable_data<T>();
  T* all_copies = copy_memory.mutable_data<T>();
  const PatchPlaces places = copies.find(sizes, place_memory.mutable_data<std::int32_t>());
  const PatchBlocks<T>* const block_list = &blocks;
  const PatchCopies<T>* const patches = &copies;

  parallel_for(chunks * z.groups * pieces, 1, [=](std::int64_t begin, std::int64_t end) {
    T* image = images + thread_index() * image_size;
    RowSum items[most_channels];
    const ChannelTerms<T> terms{all_places + thread_index() * most_terms,
                                all_factors + thread_index() * most_terms, items};
    T* copied = all_copies + thread_index() * patches->size();
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
          const T* from = x + ((n + i) * z.c + group * z.cg) * z.h * z.w;
          to_channels_last(rows, from, image + i * rows.image());
          if (n + i + together < chunk_end) prefetch_run(from + together * z.c * z.h * z.w, z.cg * z.h * z.w);
        }
        for (std::int64_t row = 0; row < sizes.pooled.h; row += patches->strip()) {
          const std::int64_t row_count = std::min(patches->strip(), sizes.pooled.h - row);
          patches->copy(image, image_count, row, row_count, copied);
          const std::int64_t position = row * sizes.pooled.w;
          const std::int64_t outputs = row_count * sizes.pooled.w;
          for (std::int64_t o = first; o < last; o += group_channels) {
            const std::int64_t count = std::min(group_channels, last - o);
            T* target = chunk_sums + o * stride;
            for (std::int64_t i = 0; i < count; ++i) items[i] = {i * stride, i * together * outputs, 0};
            for (std::int64_t i = 0; i < image_count; ++i) {
              const std::int64_t plane = ((n + i) * z.o + o) * sizes.outputs + position;
              const PatchPlaces strip{places.position + position, places.right, places.down};
              const auto shift = static_cast<std::int32_t>(i * patches->places() - places.position[position]);
              collect_terms(dy + plane, choice + plane, count, outputs, sizes.outputs, relu, strip, shift,
                            terms);
            }
            for (std::int64_t i = 0; i < count; ++i) {
              target[i * stride + block_list->size()] +=
                  sum_of(terms.factors + items[i].first, items[i].count);
            }
            for (const PatchBlock& block : *block_list) {
              RowSumBatch<T> batch = patches->source(image, copied, block);
              batch.target = target + block.offset;
              batch.target_stride = block.width;
              batch.places = terms.places;
              batch.factors = terms.factors;
              batch.items = terms.items;
              batch.item_count = count;
              sums.run[block.rows - 1][block.vectors - 1](batch);
            }
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
        for (const PatchBlock& block : *block_list) {
          const T* from = sum + block.offset;
          for_each_element(rows, block,
                           [=](std::int64_t i, std::int64_t element) { out[element] = from[i]; });
        }
      }
      if (dbias != nullptr) dbias[o] = sum[block_list->size()];
    }
  });
}

template void pool_weight_gradient(const Conv2dPoolSizes&, bool, const float*, const float*,
                                   const std::uint8_t*, float*, float*, Device);
template void pool_weight_gradient(const Conv2dPoolSizes&, bool, const double*, const double*,
                                   const std::uint8_t*, double*, double*, Device);

}  // namespace gnn::kernels
