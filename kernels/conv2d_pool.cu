#include "gnn/kernels/conv2d_pool.h"

#include "gnn/kernels/conv2d_direct.cuh"
#include "gnn/kernels/conv2d_pool_direct.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/max_pool2d_math.h"
#include "gnn/kernels/sum_to.h"

// Direct kernels where they are better (conv2d_pool_direct.h); elsewhere the product of conv2d.cu, and one
// pass over its result: bias, ReLU and pooling. The way back is then one pass that spreads dy over the
// convolution's positions, and the products of conv2d.cu.
//
// Both passes are cut into tiles of pairs of rows, which follow one another in memory from plane to plane: so
// vectors of 16 bytes move them whatever the width, and tiles, not rows, begin amid a sector of 32 bytes. A
// tile's pixels are in shared memory between the vectors and the windows.

namespace gnn::kernels {
namespace {

constexpr int tile_threads = 128;

/// Most pixels of a tile: four vectors for each thread.
template <class T>
inline constexpr int tile_pixels = 4 * tile_threads* vector_width<T>;

/// Divides numbers in [0, 1024) by a divisor that is fixed before the launch, in 32 bits: with m =
/// ceil(2^20 / d), n * m / 2^20 exceeds n / d by less than 2^-10, and from there to the next integer it is at
/// least 1 / d, or, for d > 1024, 1 - 1023 / 1025.
class SmallDivide {
 public:
  explicit SmallDivide(std::int64_t divisor)
      : multiplier_(static_cast<int>(divide_up(std::int64_t{1} << 20, divisor))) {}
  __device__ __forceinline__ int quotient(int n) const { return n * multiplier_ >> 20; }

 private:
  int multiplier_;
};

/// How planes of h x w pixels, pooled to pooled_h x pooled_w, are cut into tiles, one for a block: some pairs
/// of rows, or, where a pair is too long, some columns of one. The last row of an odd height counts as a
/// pair, without windows.
struct PixelTiles {
  PixelTiles(const Conv2dPoolSizes& z, int most_pixels)
      : h(z.conv.oh),
        w(z.conv.ow),
        pooled_h(z.pooled.h),
        pooled_w(z.pooled.w),
        planes(z.conv.n * z.conv.o),
        by_channels(z.conv.o),
        by_pairs(divide_up(h, 2)),
        by_h(h),
        by_w(w),
        by_pooled_h(pooled_h),
        by_pooled_w(pooled_w) {
    pairs = planes * divide_up(h, 2);
    pairs_in_tile = std::max<std::int64_t>(most_pixels / (2 * w), 1);
    if (pairs_in_tile >= 8) pairs_in_tile -= pairs_in_tile % 4;  // whole sectors
    const std::int64_t parts = divide_up(2 * w, most_pixels);    // of a pair
    columns = parts == 1 ? w : 2 * divide_up(divide_up(w, 2), parts);
    by_tiles_in_row = FastDivide(divide_up(w, columns));
    tiles = divide_up(pairs, pairs_in_tile) * divide_up(w, columns);
  }

  std::int64_t h, w, pooled_h, pooled_w;
  std::int64_t planes;
  FastDivide by_channels, by_pairs, by_h, by_w, by_tiles_in_row;
  SmallDivide by_pooled_h, by_pooled_w;
  std::int64_t pairs;          // of all planes
  std::int64_t pairs_in_tile;  // with all columns; or one, with some
  std::int64_t columns;        // of pixels in a tile, an even number where they are not all
  std::int64_t tiles;
};

/// Elements of a sector.
template <class T>
inline constexpr int sector_width = 2 * vector_width<T>;

/// The block's tile of pixels of type T: runs of `length` of them, one, or one for each row where it has not
/// all columns; and its windows, which are neighbours in y. In shared memory each run begins as far behind
/// the beginning of a vector as it begins in a sector of memory.
template <class T>
struct PixelTile {
  static constexpr int width = vector_width<T>;
  using Pixels = Vector<T, width>;
  /// From the first run's vectors in shared memory to the second's, and those of both.
  static constexpr int run_vectors = (tile_pixels<T> / 2 + sector_width<T>) / width;
  static constexpr int vectors = 2 * run_vectors;

  __device__ __forceinline__ explicit PixelTile(const PixelTiles& t) : w(static_cast<int>(t.w)) {
    const bool all_columns = t.columns == t.w;
    std::int64_t pair = blockIdx.x;
    const std::int64_t left = all_columns ? 0 : t.by_tiles_in_row.split(pair) * t.columns;
    const std::int64_t right = left + t.columns < t.w ? left + t.columns : t.w;
    pair *= t.pairs_in_tile;
    const PairStart first(t, pair);
    const PairStart end(t, pair + t.pairs_in_tile < t.pairs ? pair + t.pairs_in_tile : t.pairs);
    const auto rows = static_cast<int>(end.row - first.row);
    runs = all_columns ? 1 : rows;
    length = static_cast<int>(right - left) * (all_columns ? rows : 1);
    pixel = first.row * t.w + left;
    windows = static_cast<int>(end.pooled_row - first.pooled_row) * static_cast<int>(right / 2 - left / 2);
    window = first.pooled_row * t.pooled_w + left / 2;
    plane = first.plane;
    planes = static_cast<int>(end.plane - first.plane) + 1;
    rows_of_first_plane = static_cast<int>((first.plane + 1) * t.pooled_h - first.pooled_row);
  }

  /// Elements from the beginning of its sector to the first of a run.
  __device__ __forceinline__ int shift(int run) const {
    return static_cast<int>((pixel + run * w) % sector_width<T>);
  }
  /// From a pixel in shared memory to the one below it.
  __device__ __forceinline__ int to_next_row() const {
    return runs == 1 ? w : run_vectors * width + shift(1) - shift(0);
  }

  /// Calls f(i, pixel, plane) for each window of this thread: its number and those of its first pixel and its
  /// plane, counted from the tile's first. A warp's windows begin where sectors of y and of choice do.
  template <class F>
  __device__ __forceinline__ void for_each_window(const PixelTiles& t, const F& f) const {
    const auto pooled_w = static_cast<int>(t.pooled_w);
    const int dropped = static_cast<int>(t.h - 2 * t.pooled_h) * w;  // pixels between planes
    // Unrolled, a warp's lanes with and without a window would part, and sectors be accessed twice.
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x) - static_cast<int>(window % 32); i < windows;
         i += tile_threads) {
      if (i < 0) continue;
      const int row = t.by_pooled_w.quotient(i);
      const int column = i - row * pooled_w;
      const int later = row - rows_of_first_plane;
      const int in_plane = later < 0 ? 0 : t.by_pooled_h.quotient(later) + 1;
      f(i, 2 * (row * w + column) + in_plane * dropped, in_plane);
    }
  }

  int w;
  int runs, length, windows;
  std::int64_t pixel, window, plane;  // the first
  int planes;                         // that it has pixels of, and perhaps one more
  int rows_of_first_plane;            // of windows

 private:
  struct PairStart {
    __device__ __forceinline__ PairStart(const PixelTiles& t, std::int64_t pair) : plane(pair) {
      const std::int64_t in_plane = t.by_pairs.split(plane);
      row = plane * t.h + 2 * in_plane;
      pooled_row = plane * t.pooled_h + in_plane;
    }
    std::int64_t plane, row, pooled_row;
  };
};

/// 1 for half of the lanes that shared memory serves at a time. Neighbouring lanes' windows are two pixels
/// apart: so that they are in odd banks as well as in even ones, these lanes access the right pixel first.
template <class T>
__device__ __forceinline__ int right_first() {
  return static_cast<int>(threadIdx.x * 2 * sizeof(T) / 128 % 2);
}

/// y and choice of all windows.
template <class T>
__global__ void __launch_bounds__(tile_threads)
    pool_kernel(const T* __restrict__ full, const T* __restrict__ bias, bool relu, PixelTiles t,
                T* __restrict__ y, std::uint8_t* __restrict__ choice) {
  using Tile = PixelTile<T>;
  constexpr int width = Tile::width;
  GNN_SHARED(typename Tile::Pixels, pixels, [Tile::vectors]);
  GNN_SHARED(T, biases, [tile_pixels<T> / 4 + 1]);
  const Tile tile(t);
  if (tile.windows == 0) return;
  const std::int64_t end = t.planes * t.h * t.w;
  for (int run = 0; run < tile.runs; ++run) {
    const std::int64_t sector = tile.pixel + run * t.w - tile.shift(run);
    const int count = tile.shift(run) + tile.length;
    for (int i = static_cast<int>(threadIdx.x); i * width < count; i += tile_threads) {
      const std::int64_t pixel = sector + i * width;
      if (2 * t.pooled_h < t.h) {  // vectors of last rows, which are in no window, are not loaded
        std::int64_t row = pixel;
        const std::int64_t column = t.by_w.split(row);
        if (t.by_h.split(row) == t.h - 1 && column + width <= t.w) continue;
      }
      pixels[run * Tile::run_vectors + i] = load_vector<width>(full + pixel, end - pixel);
    }
  }
  for (int i = static_cast<int>(threadIdx.x); i < tile.planes; i += tile_threads) {
    std::int64_t image = tile.plane + i;
    const std::int64_t channel = t.by_channels.split(image);
    biases[i] = bias == nullptr ? T{0} : bias[channel];
  }
  __syncthreads();

  const int right = right_first<T>();
  const T* const one = reinterpret_cast<const T*>(pixels) + (tile.shift(0) + right);
  const T* const other = reinterpret_cast<const T*>(pixels) + (tile.shift(0) + 1 - right);
  const int to_next_row = tile.to_next_row();
  tile.for_each_window(t, [&](int i, int pixel, int plane) {
    const int below = pixel + to_next_row;
    const T a = one[pixel], b = other[pixel], c = one[below], d = other[below];
    const T add = biases[plane];
    T best = (right == 0 ? a : b) + add;
    std::int32_t at = 0;
    offer_pixel((right == 0 ? b : a) + add, 1, best, at);
    offer_pixel((right == 0 ? c : d) + add, 2, best, at);
    offer_pixel((right == 0 ? d : c) + add, 3, best, at);
    const bool cut = relu && best <= T{0};
    y[tile.window + i] = cut ? T{0} : best;
    if (choice != nullptr) choice[tile.window + i] = cut ? pool_no_choice : static_cast<std::uint8_t>(at);
  });
}

/// The gradient of every pixel of the convolution's result: its window's, or 0.
template <class T>
__global__ void __launch_bounds__(tile_threads)
    spread_kernel(const T* __restrict__ dy, const std::uint8_t* __restrict__ choice, PixelTiles t,
                  T* __restrict__ full) {
  using Tile = PixelTile<T>;
  constexpr int width = Tile::width;
  GNN_SHARED(typename Tile::Pixels, pixels, [Tile::vectors]);
  const auto thread = static_cast<int>(threadIdx.x);
  const Tile tile(t);
  if (2 * t.pooled_h < t.h || 2 * t.pooled_w < t.w) {  // for the pixels that are in no window
    for (int i = thread; i < Tile::vectors; i += tile_threads) pixels[i] = {};
    __syncthreads();
  }
  const int right = right_first<T>();
  T* const one = reinterpret_cast<T*>(pixels) + (tile.shift(0) + right);
  T* const other = reinterpret_cast<T*>(pixels) + (tile.shift(0) + 1 - right);
  const int to_next_row = tile.to_next_row();
  tile.for_each_window(t, [&](int i, int pixel, int) {
    const T gradient = dy[tile.window + i];
    const int chosen = choice[tile.window + i];
    const int below = pixel + to_next_row;
    one[pixel] = chosen == right ? gradient : T{0};
    other[pixel] = chosen == 1 - right ? gradient : T{0};
    one[below] = chosen == 2 + right ? gradient : T{0};
    other[below] = chosen == 3 - right ? gradient : T{0};
  });
  __syncthreads();

  for (int run = 0; run < tile.runs; ++run) {
    const int shift = tile.shift(run);
    const std::int64_t sector = tile.pixel + run * t.w - shift;
    const auto* const source = pixels + run * Tile::run_vectors;
    auto* const target = reinterpret_cast<typename Tile::Pixels*>(full) + sector / width;
    for (int i = thread; i * width < shift + tile.length; i += tile_threads) {
      if (i * width >= shift && (i + 1) * width <= shift + tile.length) target[i] = source[i];
    }
    // The pixels before and behind the whole vectors.
    const int head = smaller((2 * width - shift) % width, tile.length);
    const int tail = smaller((shift + tile.length) % width, tile.length - head);
    if (thread < head + tail) {
      const int at = shift + (thread < head ? thread : tile.length - tail + (thread - head));
      full[sector + at] = reinterpret_cast<const T*>(source)[at];
    }
  }
}

Tensor convolution_result(const Conv2dPoolSizes& z, const TensorOptions& options) {
  return empty({z.conv.n, z.conv.o, z.conv.oh, z.conv.ow}, options);
}

}  // namespace

void Conv2dPoolForward::cuda(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y,
                             Tensor& choice, const Conv2dPoolParameters& parameters) {
  const Conv2dPoolSizes z = conv2d_pool_sizes(name, x, weight, bias, y, choice, parameters);
  if (y.numel() == 0) return;
  if (direct_forward(z, x, weight, bias, parameters.relu, y, choice)) return;
  Tensor full = convolution_result(z, x.options());
  Conv2dForward::cuda(x, weight, {}, full, parameters.conv);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const PixelTiles tiles(z, tile_pixels<T>);
    launch(pool_kernel<T>, dim3(static_cast<unsigned>(tiles.tiles)), dim3(tile_threads), 0, y.device(),
           full.data<T>(), bias.defined() ? bias.data<T>() : nullptr, parameters.relu, tiles,
           y.mutable_data<T>(), choice.defined() ? choice.mutable_data<std::uint8_t>() : nullptr);
  });
}

void Conv2dPoolBackward::cuda(const Tensor& x, const Tensor& weight, const Tensor& dy, const Tensor& choice,
                              Tensor& dx, Tensor& dweight, Tensor& dbias,
                              const Conv2dPoolParameters& parameters) {
  const Tensor& image = dweight.defined() || dbias.defined() ? x : dx;
  const Conv2dPoolSizes z = conv2d_pool_sizes(name, image, weight, dbias, dy, choice, parameters);
  if (dy.numel() == 0) {
    for (Tensor* gradient : {&dx, &dweight, &dbias}) {
      if (gradient->defined()) Fill::cuda(*gradient, 0.0);
    }
    return;
  }
  const bool dx_is_done =
      !dx.defined() || dx.numel() == 0 || direct_input_gradient(z, weight, dy, choice, dx);
  const bool rest_is_done =
      (!dweight.defined() && !dbias.defined()) || direct_weight_gradient(z, x, dy, choice, dweight, dbias);
  if (dx_is_done && rest_is_done) return;
  Tensor full = convolution_result(z, dy.options());
  dispatch_floating(name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const PixelTiles tiles(z, tile_pixels<T>);
    launch(spread_kernel<T>, dim3(static_cast<unsigned>(tiles.tiles)), dim3(tile_threads), 0, dy.device(),
           dy.data<T>(), choice.data<std::uint8_t>(), tiles, full.mutable_data<T>());
  });
  if (!dx_is_done) Conv2dInputGradient::cuda(full, weight, dx, parameters.conv);
  if (rest_is_done) return;
  if (dweight.defined()) Conv2dWeightGradient::cuda(x, full, dweight, parameters.conv);
  if (dbias.defined()) {
    Tensor per_channel = dbias.alias({1, z.conv.o, 1, 1});
    SumTo::cuda(full, 1.0, per_channel);
  }
}

}  // namespace gnn::kernels
