#include <limits>
#include <type_traits>

#include "gnn/kernels/conv2d_direct.cuh"
#include "gnn/kernels/conv2d_pool_direct.h"

// The gradients of weight and bias, in two launches. Each pooled output is one term of the sums for its
// channel's weights: its gradient times the pixels that its chosen position was computed from.
//
// First, blocks add up the terms of their share of the batch. A warp has one output channel, and each of its
// lanes some taps of the kernel, `Taps` of them 32 apart; the terms (gradient, place of the chosen position)
// and the pixels are staged in shared memory, some images at a time, and a tap costs one load and one
// multiply-add. Second, the shares are added up in order, in double precision.

namespace gnn::kernels {
namespace {

constexpr int most_warps = 28;  // with 32 a thread has 64 registers, and ptxas spills some
constexpr int reduce_rows = 8;

/// How the first launch cuts its work. A unit is some rows of pooled outputs of one image.
struct TermPlan {
  int groups, in_channels, out_channels;  // the channels of one group
  int h, w, pooled_h, pooled_w;
  int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  int taps;            // of a weight's output channel; 0 when only the bias has a gradient
  int taps_per_lane;   // the kernel's template argument
  int warps;           // output channels of a block
  int channel_blocks;  // in a group
  int slices;          // of the taps, for different blocks
  int shares;          // of the units
  int unit_rows;       // of pooled outputs
  int units_per_image;
  int units_at_a_time;  // that are staged together
  std::int64_t units;
  int input_h, input_w;                      // pixels of a unit
  int row_pitch, channel_pitch, unit_pitch;  // in shared memory
  bool aligned;                              // every unit of dy begins where vectors may
  int unit_terms;                            // a multiple of the vector width
  FastDivide terms_width, rows_height;       // by pooled_w and input_h
  std::int64_t bias_offset, share_pitch;     // of the partial sums
  std::int64_t shared_bytes;
};

/// Shared memory: gradients [warps][terms], their places, -1 where there is none, and pixels
/// [units][channels].
template <class T>
struct TermMemory {
  T* gradients;
  std::int32_t* places;
  T* pixels;
  int terms;

  __device__ explicit TermMemory(const TermPlan& p) {
    terms = p.units_at_a_time * p.unit_terms;
    gradients = dynamic_shared<T>();
    places = reinterpret_cast<std::int32_t*>(gradients + p.warps * terms);
    pixels = reinterpret_cast<T*>(places + p.warps * terms);
  }
};

/// The part of the output channels and taps that is a block's.
struct TermBlock {
  int group, channel;  // the first of `channels`
  int channels;
  int first_tap;
  int in_channel;  // the first of `in_channels` that its taps are of
  int in_channels;

  __device__ TermBlock(const TermPlan& p, int taps_per_block) {
    group = static_cast<int>(blockIdx.z) / p.channel_blocks;
    channel = static_cast<int>(blockIdx.z) % p.channel_blocks * p.warps;
    channels = smaller(p.out_channels - channel, p.warps);
    const int area = p.kernel_h * p.kernel_w;
    first_tap = static_cast<int>(blockIdx.y) * taps_per_block;
    const int end = smaller(first_tap + taps_per_block, p.taps);
    in_channel = p.taps == 0 ? 0 : first_tap / area;
    in_channels = p.taps == 0 ? 0 : (end - 1) / area + 1 - in_channel;
  }
};

/// The pixels that units of the block's channels read, zero outside the image. One by one, as the pitch of
/// rows is no multiple of a vector; a warp still loads whole sectors.
template <class T>
__device__ __forceinline__ void stage_pixels(const TermPlan& p, const TermBlock& block, std::int64_t unit,
                                             int units, const T* x, T* pixels) {
  const int planes = units * block.in_channels;
  for_each_pixel(planes * p.input_h, p.input_w, [&](int row, int column) {
    std::int64_t plane = row;
    const auto y = static_cast<int>(p.rows_height.split(plane));
    const int u = static_cast<int>(plane) / block.in_channels;
    const int c = static_cast<int>(plane) % block.in_channels;
    const std::int64_t image = (unit + u) / p.units_per_image;
    const int first = static_cast<int>((unit + u) % p.units_per_image) * p.unit_rows;
    const int from_y = 2 * first * p.stride_h - p.padding_h + y;
    const int from_x = column - p.padding_w;
    const bool inside = from_y >= 0 && from_y < p.h && from_x >= 0 && from_x < p.w;
    const std::int64_t channel = (image * p.groups + block.group) * p.in_channels + block.in_channel + c;
    const T* const from = x + (channel * p.h + from_y) * p.w;
    pixels[u * p.unit_pitch + y * p.row_pitch + c * p.channel_pitch + column] = inside ? from[from_x] : T{0};
  });
}

/// The terms of units of the block's channels, `width` at a time.
template <int width, class T>
__device__ __forceinline__ void stage_terms(const TermPlan& p, const TermBlock& block, std::int64_t unit,
                                            int units, const T* dy, const std::uint8_t* choice,
                                            const TermMemory<T>& memory) {
  const int vectors = p.unit_terms / width;
  for_each_pixel(block.channels, units * vectors, [&](int channel, int vector) {
    const int u = vector / vectors;
    const int first_term = vector % vectors * width;
    const std::int64_t image = (unit + u) / p.units_per_image;
    const int first_row = static_cast<int>((unit + u) % p.units_per_image) * p.unit_rows;
    const int rows = smaller(p.pooled_h - first_row, p.unit_rows);
    const int valid = rows * p.pooled_w - first_term;
    const std::int64_t plane = (image * p.groups + block.group) * p.out_channels + block.channel + channel;
    const std::int64_t from = (plane * p.pooled_h + first_row) * p.pooled_w + first_term;
    Vector<T, width> gradients = load_vector<width>(dy + from, valid);
    const auto choices = load_vector<width>(choice + from, valid, pool_no_choice);
    Vector<std::int32_t, width> places;
#pragma unroll
    for (int i = 0; i < width; ++i) {
      std::int64_t row = first_term + i;
      const auto column = static_cast<int>(p.terms_width.split(row));
      const int chosen = choices[i];
      const int y = (2 * static_cast<int>(row) + chosen / 2) * p.stride_h;
      const int x = (2 * column + chosen % 2) * p.stride_w;
      const bool any = chosen != pool_no_choice;
      places[i] = any ? u * p.unit_pitch + y * p.row_pitch + x : -1;
      if (!any) gradients[i] = T{0};
    }
    const int to = channel * memory.terms + vector * width;
    *reinterpret_cast<Vector<T, width>*>(memory.gradients + to) = gradients;
    *reinterpret_cast<Vector<std::int32_t, width>*>(memory.places + to) = places;
  });
}

/// partial[share] = the sums of that share's terms, those of the bias behind those of the weight.
template <int Taps, class T>
__global__ void __launch_bounds__(32 * most_warps)
    weight_terms_kernel(TermPlan p, const T* __restrict__ x, const T* __restrict__ dy,
                        const std::uint8_t* __restrict__ choice, T* __restrict__ partial) {
  const TermMemory<T> memory(p);
  const TermBlock block(p, 32 * Taps);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;

  const T* pixels[Taps];  // of the block's first unit, for a term at place 0
#pragma unroll
  for (int i = 0; i < Taps; ++i) {
    const int tap = block.first_tap + i * 32 + lane;
    const int area = p.kernel_h * p.kernel_w;
    const int offset = (tap / area - block.in_channel) * p.channel_pitch +
                       tap % area / p.kernel_w * p.dilation_h * p.row_pitch + tap % p.kernel_w * p.dilation_w;
    pixels[i] = memory.pixels + (tap < p.taps ? offset : 0);
  }

  T totals[Taps] = {};
  T bias_total{0};
  const std::int64_t share = blockIdx.x;
  const std::int64_t end = p.units * (share + 1) / p.shares;
  for (std::int64_t unit = p.units * share / p.shares; unit < end; unit += p.units_at_a_time) {
    const int units = end - unit < p.units_at_a_time ? static_cast<int>(end - unit) : p.units_at_a_time;
    stage_pixels(p, block, unit, units, x, memory.pixels);
    if (p.aligned) {
      stage_terms<vector_width<T>>(p, block, unit, units, dy, choice, memory);
    } else {
      stage_terms<1>(p, block, unit, units, dy, choice, memory);
    }
    __syncthreads();
    if (warp < block.channels) {
      constexpr int width = vector_width<T>;
      // The sums of what is staged are added to those before, which keeps the rounding errors of long sums
      // small.
      T sums[Taps] = {};
      T bias_sum{0};
      const T* const gradients = memory.gradients + warp * memory.terms;
      const std::int32_t* const places = memory.places + warp * memory.terms;
      for (int term = 0; term < units * p.unit_terms; term += width) {
        const auto gradient = *reinterpret_cast<const Vector<T, width>*>(gradients + term);
        const auto place = *reinterpret_cast<const Vector<std::int32_t, width>*>(places + term);
#pragma unroll
        for (int j = 0; j < width; ++j) {
          bias_sum += gradient[j];
#pragma unroll
          for (int i = 0; i < Taps; ++i) {
            // No pixel where there is no choice: it may be infinite, and counts for nothing.
            sums[i] += gradient[j] * (place[j] >= 0 ? pixels[i][place[j]] : T{0});
          }
        }
      }
#pragma unroll
      for (int i = 0; i < Taps; ++i) totals[i] += sums[i];
      bias_total += bias_sum;
    }
    __syncthreads();
  }
  if (warp >= block.channels) return;
  const int channel = block.group * p.out_channels + block.channel + warp;
  T* const mine = partial + share * p.share_pitch;
#pragma unroll
  for (int i = 0; i < Taps; ++i) {
    const int tap = block.first_tap + i * 32 + lane;
    if (tap < p.taps) mine[static_cast<std::int64_t>(channel) * p.taps + tap] = totals[i];
  }
  if (block.first_tap == 0 && lane == 0) mine[p.bias_offset + channel] = bias_total;
}

/// dweight and dbias = the sums of partial [shares][share_pitch]: 32 vectors a block, by reduce_rows threads
/// each.
template <class T>
__global__ void __launch_bounds__(32 * reduce_rows)
    weight_shares_kernel(const T* __restrict__ partial, std::int64_t shares, std::int64_t share_pitch,
                         std::int64_t bias_offset, std::int64_t weights, std::int64_t channels,
                         T* __restrict__ dweight, T* __restrict__ dbias) {
  constexpr int width = vector_width<T>;
  GNN_SHARED(double, rows, [reduce_rows][width][32]);
  const int column = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(threadIdx.x) / 32;
  const std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * 32 + column) * width;
  const std::int64_t valid = (at < bias_offset ? weights : bias_offset + channels) - at;
  double sums[width] = {};
  if (at < share_pitch) {
#pragma unroll 4
    for (std::int64_t share = row; share < shares; share += reduce_rows) {
      const auto values = load_vector<width>(partial + share * share_pitch + at, valid);
#pragma unroll
      for (int i = 0; i < width; ++i) sums[i] += static_cast<double>(values[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < width; ++i) rows[row][i][column] = sums[i];
  __syncthreads();
  if (row > 0 || at >= share_pitch) return;
  Vector<T, width> result;
#pragma unroll
  for (int i = 0; i < width; ++i) {
    double sum = 0;
#pragma unroll
    for (int r = 0; r < reduce_rows; ++r) sum += rows[r][i][column];
    result[i] = static_cast<T>(sum);
  }
  if (at < bias_offset) {
    store_vector(dweight + at, result, valid);
  } else if (dbias != nullptr) {
    store_vector(dbias + (at - bias_offset), result, valid);
  }
}

/// The number of taps per lane with the fewest instructions: each 32 lanes load terms, and then a pixel per
/// tap.
int taps_per_lane(std::int64_t taps) {
  const auto cost = [&](std::int64_t per_lane) {
    return divide_up(taps, 32 * per_lane) * (3 + 3 * per_lane);
  };
  int best = 4;
  for (const int per_lane : {2, 1}) {
    if (cost(per_lane) < cost(best)) best = per_lane;
  }
  return best;
}

/// False where not even one row of one image fits into shared memory.
bool plan_terms(const Conv2dPoolSizes& z, std::int64_t taps, std::int64_t element_bytes, TermPlan& p) {
  const Conv2dSizes& c = z.conv;
  const std::int64_t area = c.kernel.area();
  const std::int64_t width = 16 / element_bytes;
  const int per_lane = taps_per_lane(taps);
  const std::int64_t slices = std::max<std::int64_t>(divide_up(taps, 32 * per_lane), 1);
  const std::int64_t channel_blocks = divide_up(c.og, most_warps);
  const std::int64_t warps = divide_up(c.og, channel_blocks);
  // Channels that a slice has taps of: it may begin within one and end within another. One at least, as lanes
  // without a tap load a pixel as well.
  const std::int64_t channels =
      taps == 0 ? 1 : std::min<std::int64_t>((32 * per_lane + area - 2) / area + 1, c.cg);
  const std::int64_t input_w = (2 * z.pooled.w - 1) * c.stride.w + (c.kernel.w - 1) * c.dilation.w + 1;
  // Neighbouring taps, and so the lanes of a warp, are in neighbouring banks: from row to row of the kernel
  // it is kernel.w banks, from channel to channel its area. (With a dilation some lanes share a bank.)
  const std::int64_t banks = 128 / element_bytes;
  const auto pitch = [&](std::int64_t least, std::int64_t step) {
    return least + ((step - least) % banks + banks) % banks;
  };
  const std::int64_t channel_pitch = pitch(input_w, area);
  const std::int64_t row_pitch = pitch(channels == 1 ? input_w : channels * channel_pitch, c.kernel.w);
  struct Unit {
    std::int64_t input_h, terms, bytes;
  };
  const auto unit_of = [&](std::int64_t rows) {
    Unit unit;
    unit.input_h = (2 * rows - 1) * c.stride.h + (c.kernel.h - 1) * c.dilation.h + 1;
    unit.terms = divide_up(rows * z.pooled.w, width) * width;
    unit.bytes = warps * unit.terms * (element_bytes + static_cast<std::int64_t>(sizeof(std::int32_t))) +
                 unit.input_h * row_pitch * element_bytes;
    return unit;
  };
  std::int64_t parts = 1;  // of an image
  std::int64_t rows = z.pooled.h;
  while (rows > 1 && unit_of(rows).bytes > direct_shared_bytes) rows = divide_up(z.pooled.h, ++parts);
  const Unit unit = unit_of(rows);
  if (unit.bytes > direct_shared_bytes) return false;

  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  p.groups = narrow(c.groups);
  p.in_channels = narrow(c.cg);
  p.out_channels = narrow(c.og);
  p.h = narrow(c.h);
  p.w = narrow(c.w);
  p.pooled_h = narrow(z.pooled.h);
  p.pooled_w = narrow(z.pooled.w);
  p.kernel_h = narrow(c.kernel.h);
  p.kernel_w = narrow(c.kernel.w);
  p.stride_h = narrow(c.stride.h);
  p.stride_w = narrow(c.stride.w);
  p.padding_h = narrow(c.padding.h);
  p.padding_w = narrow(c.padding.w);
  p.dilation_h = narrow(c.dilation.h);
  p.dilation_w = narrow(c.dilation.w);
  p.taps = narrow(taps);
  p.taps_per_lane = per_lane;
  p.warps = narrow(warps);
  p.channel_blocks = narrow(channel_blocks);
  p.slices = narrow(slices);
  p.unit_rows = narrow(rows);
  p.units_per_image = narrow(divide_up(z.pooled.h, rows));
  p.units = c.n * p.units_per_image;
  // As many shares as fill the GPU; and as few loads of the images and stores of sums as that allows.
  const std::int64_t blocks = slices * channel_blocks * c.groups;
  p.shares = narrow(std::clamp<std::int64_t>(divide_up(direct_blocks, blocks), 1, p.units));
  p.units_at_a_time = narrow(
      std::min(direct_shared_bytes / unit.bytes, divide_up(p.units, static_cast<std::int64_t>(p.shares))));
  p.input_h = narrow(unit.input_h);
  p.input_w = narrow(input_w);
  p.row_pitch = narrow(row_pitch);
  p.channel_pitch = narrow(channel_pitch);
  p.unit_pitch = narrow(unit.input_h * row_pitch);
  p.aligned = z.outputs % width == 0 && (rows == z.pooled.h || rows * z.pooled.w % width == 0);
  p.unit_terms = narrow(unit.terms);
  p.terms_width = FastDivide(z.pooled.w);
  p.rows_height = FastDivide(unit.input_h);
  p.bias_offset = divide_up(c.o * taps, width) * width;
  p.share_pitch = p.bias_offset + divide_up(c.o, width) * width;
  p.shared_bytes = p.units_at_a_time * unit.bytes;
  return slices <= 65535 && channel_blocks * c.groups <= 65535;
}

}  // namespace

bool direct_weight_gradient(const Conv2dPoolSizes& z, const Tensor& x, const Tensor& dy, const Tensor& choice,
                            Tensor& dweight, Tensor& dbias) {
  if (!suits_direct_kernels(z.conv)) return false;
  TermPlan plan;
  const auto element_bytes = static_cast<std::int64_t>(size_of(dy.dtype()));
  if (!plan_terms(z, dweight.defined() ? z.conv.patch : 0, element_bytes, plan)) return false;
  dispatch_floating(Conv2dPoolBackward::name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    Tensor partial = empty({plan.shares, plan.share_pitch}, dy.options());
    const dim3 grid(static_cast<unsigned>(plan.shares), static_cast<unsigned>(plan.slices),
                    static_cast<unsigned>(plan.channel_blocks * plan.groups));
    const auto add_terms = [&](auto taps) {
      launch(weight_terms_kernel<decltype(taps)::value, T>, grid,
             dim3(static_cast<unsigned>(32 * plan.warps)), static_cast<std::size_t>(plan.shared_bytes),
             dy.device(), plan, x.defined() ? x.data<T>() : nullptr, dy.data<T>(),
             choice.data<std::uint8_t>(), partial.mutable_data<T>());
    };
    switch (plan.taps_per_lane) {
      case 1:
        add_terms(std::integral_constant<int, 1>{});
        break;
      case 2:
        add_terms(std::integral_constant<int, 2>{});
        break;
      default:
        add_terms(std::integral_constant<int, 4>{});
    }
    const std::int64_t vectors = plan.share_pitch / vector_width<T>;
    launch(weight_shares_kernel<T>, dim3(static_cast<unsigned>(divide_up(vectors, 32))),
           dim3(32 * reduce_rows), 0, dy.device(), partial.data<T>(), plan.shares, plan.share_pitch,
           plan.bias_offset, z.conv.o * plan.taps, z.conv.o,
           dweight.defined() ? dweight.mutable_data<T>() : nullptr,
           dbias.defined() ? dbias.mutable_data<T>() : nullptr);
  });
  return true;
}

}  // namespace gnn::kernels
