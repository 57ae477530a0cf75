#pragma once

// Correlations for 2 x 2 pixels at a time ("quads"): what a pooled convolution and its input gradient are
// made of. Not one op's; conv2d_pool_direct.cu uses it.
//
// A thread has the sums of one quad for K channels of the result. A block has a tile of quads of one image
// and some K channels; it stages the pixels that they are computed from and the weights in shared memory,
// some channels at a time. Where quads and channels are too few to fill a GPU with threads, several of them
// (splits) share the taps of the same sums, which are added up in a fixed order.
//
// Per tap (an input channel and a place in the kernel) a thread loads its four pixels, K weights that other
// lanes load as well, and the tap's offsets, for 4 K multiply-adds. The pixels of a tile are kept in phases,
// those whose row and column have the same remainder by twice the stride: what neighbouring quads load for a
// tap are then neighbours, whatever the stride, and with the right pitch in different banks.

#include <array>
#include <type_traits>

#include "gnn/kernels/conv2d_direct.cuh"
#include "gnn/kernels/dims.h"

namespace gnn::kernels {

/// A correlation whose result is wanted in quads.
struct QuadCorrelation {
  std::int64_t images, groups;
  std::int64_t in_channels, out_channels;  // of one group
  Size2 kernel, stride, dilation;
  Size2 quads;  // of one channel of the result

  bool operator==(const QuadCorrelation&) const = default;
};

inline constexpr int quad_threads = 256;
inline constexpr std::array<int, 3> quad_channels{4, 8, 10};  // values of K that kernels are compiled for

/// Second argument of __launch_bounds__: with four channels in float32, ptxas would spill registers to get
/// more blocks than these onto a multiprocessor. 0 leaves the choice to it.
template <int K, class T>
inline constexpr int quad_blocks = K == 4 && std::is_same_v<T, float> ? 3 : 0;

/// How it is cut into blocks, and a block's shared memory.
struct QuadPlan {
  // The correlation
  int in_channels, out_channels, groups;
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int quads_h, quads_w;
  // A block: a tile of quads and `slots` times K channels of the result, by `splits` times `lanes` threads
  int k, slots, splits, lanes;
  int tile_h, tile_w, tiles_h, tiles_w;
  // What it stages at a time: `chunk` channels of input_h x input_w pixels, in phases
  int chunk, input_h, input_w;
  int row_pitch, phase_pitch, channel_pitch, weight_pitch, bias_pitch;
  FastDivide period_h, period_w, kernel_area;
  std::int64_t shared_bytes;
  std::int64_t tiles, channel_blocks;  // the grid
};

/// The plan with the fewest clock cycles by a simple model; false where a tile does not fit.
bool plan_quads(const QuadCorrelation& correlation, std::int64_t element_bytes, QuadPlan& plan);

/// Offsets of a tap's four pixels from a quad's own place.
struct alignas(16) QuadOffsets {
  int at[4];
};

/// The block's shared memory: for kernels that have one a bias [slots · K], offsets of all taps, weights
/// [slots · K][weight_pitch], pixels [chunk] in phases.
template <class T>
struct QuadMemory {
  T* bias;
  QuadOffsets* offsets;
  T* weights;
  T* pixels;

  __device__ explicit QuadMemory(const QuadPlan& p) {
    const int taps = p.chunk * p.kernel_h * p.kernel_w;
    bias = dynamic_shared<T>();
    offsets = reinterpret_cast<QuadOffsets*>(bias + p.bias_pitch);
    weights = reinterpret_cast<T*>(offsets + taps);
    pixels = weights + p.k * p.slots * p.weight_pitch;
  }
};

/// Which part of the block's work is this thread's.
struct QuadThread {
  int lane, split;
  int slot;         // its channels are slot, slot + slots, slot + 2 slots …
  int row, column;  // of its quad in the tile

  __device__ explicit QuadThread(const QuadPlan& p) {
    lane = static_cast<int>(threadIdx.x) % p.lanes;
    split = static_cast<int>(threadIdx.x) / p.lanes;
    slot = lane % p.slots;
    row = lane / p.slots / p.tile_w;
    column = lane / p.slots % p.tile_w;
  }
  /// False for the threads that fill up the last warp.
  __device__ bool works(const QuadPlan& p) const { return row < p.tile_h; }
};

/// Which tile of what image and which channels are the block's.
struct QuadBlock {
  std::int64_t image;
  int row, column;  // first quad
  int group, channel;

  __device__ explicit QuadBlock(const QuadPlan& p) {
    const auto tile = static_cast<unsigned>(blockIdx.x);
    const auto tiles_w = static_cast<unsigned>(p.tiles_w);
    const auto tiles_h = static_cast<unsigned>(p.tiles_h);
    column = static_cast<int>(tile % tiles_w) * p.tile_w;
    row = static_cast<int>(tile / tiles_w % tiles_h) * p.tile_h;
    image = tile / tiles_w / tiles_h;
    const int blocks = static_cast<int>(gridDim.y) / p.groups;
    group = static_cast<int>(blockIdx.y) / blocks;
    channel = static_cast<int>(blockIdx.y) % blocks * p.slots * p.k;
  }
};

/// Where the pixel (y, x) of a tile is in its channel.
__device__ __forceinline__ int quad_pixel(const QuadPlan& p, int y, int x) {
  std::int64_t row = y;
  std::int64_t column = x;
  const auto phase_row = static_cast<int>(p.period_h.split(row));
  const auto phase_column = static_cast<int>(p.period_w.split(column));
  return (phase_row * 2 * p.stride_w + phase_column) * p.phase_pitch + static_cast<int>(row) * p.row_pitch +
         static_cast<int>(column);
}

/// Fills in the offsets. In a flipped kernel the first tap is the last.
__device__ __forceinline__ void set_offsets(const QuadPlan& p, bool flipped, QuadOffsets* offsets) {
  const int area = p.kernel_h * p.kernel_w;
  for (int tap = static_cast<int>(threadIdx.x); tap < p.chunk * area; tap += static_cast<int>(blockDim.x)) {
    const int place = flipped ? area - 1 - tap % area : tap % area;
    const int y = place / p.kernel_w * p.dilation_h;
    const int x = place % p.kernel_w * p.dilation_w;
#pragma unroll
    for (int pixel = 0; pixel < 4; ++pixel) {
      offsets[tap].at[pixel] = tap / area * p.channel_pitch +
                               quad_pixel(p, y + pixel / 2 * p.stride_h, x + pixel % 2 * p.stride_w);
    }
  }
}

/// Adds `taps` staged taps to the thread's sums: its split's share of them.
template <int K, class T>
__device__ __forceinline__ void add_taps(const QuadPlan& p, const QuadMemory<T>& memory,
                                         const QuadThread& thread, int taps, T (&sums)[K][4]) {
  constexpr int width = vector_width<T>;
  const int share = (taps + width * p.splits - 1) / (width * p.splits) * width;
  int tap = thread.split * share;
  const int end = smaller(tap + share, taps);
  const T* const pixels = memory.pixels + thread.row * p.row_pitch + thread.column;
  const T* const weights = memory.weights + thread.slot * p.weight_pitch;
  const int step = p.slots * p.weight_pitch;  // from one of its channels to the next
  const auto add = [&](int at, const auto& weight) {
    const QuadOffsets offsets = memory.offsets[at];
    T pixel[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) pixel[i] = pixels[offsets.at[i]];
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[k][i] += weight(k) * pixel[i];
    }
  };
  for (; tap + width <= end; tap += width) {
    Vector<T, width> vectors[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
      vectors[k] = *reinterpret_cast<const Vector<T, width>*>(weights + k * step + tap);
    }
#pragma unroll
    for (int i = 0; i < width; ++i) add(tap + i, [&](int k) { return vectors[k][i]; });
  }
  for (; tap < end; ++tap) add(tap, [&](int k) { return weights[k * step + tap]; });
}

/// Adds up the sums of all splits, for the threads of the first one; of shared memory only the bias remains.
/// All threads of the block take part.
template <int K, class T>
__device__ __forceinline__ void combine_splits(const QuadPlan& p, const QuadMemory<T>& memory,
                                               const QuadThread& thread, T (&sums)[K][4]) {
  T* const shared = memory.bias + p.bias_pitch;
  for (int half = p.splits / 2; half > 0; half /= 2) {
    if (thread.split >= half && thread.split < 2 * half) {
#pragma unroll
      for (int i = 0; i < 4 * K; ++i) {
        shared[((thread.split - half) * 4 * K + i) * p.lanes + thread.lane] = sums[i / 4][i % 4];
      }
    }
    __syncthreads();
    if (thread.split < half) {
#pragma unroll
      for (int i = 0; i < 4 * K; ++i) {
        sums[i / 4][i % 4] += shared[(thread.split * 4 * K + i) * p.lanes + thread.lane];
      }
    }
    __syncthreads();
  }
}

}  // namespace gnn::kernels
