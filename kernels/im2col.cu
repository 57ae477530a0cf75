#include "gnn/kernels/im2col.h"

#include "gnn/kernels/conv2d_direct.cuh"

namespace gnn::kernels {
namespace {

/// What a block copies at a time: some rows of windows of one channel, or some whole channels. `pixels` of
/// them, which are neighbours in x, are staged in shared memory; 0 where not even those of one row of windows
/// fit there.
struct Im2colTiles {
  std::int64_t rows;      // of windows, at most
  std::int64_t channels;  // that are whole; or 1
  std::int64_t tiles_per_channel;
  std::int64_t tiles;
  std::int64_t pixels;
};

constexpr std::int64_t staged_bytes = 24 << 10;  // most of a block
constexpr std::int64_t most_windows = 1 << 30;
constexpr std::int64_t staged_pixels = 1024;  // worth having fewer channels for
constexpr std::int64_t staged_columns = 2048;

/// Channels of `each` elements that a block does together: about `elements`, but so few that the GPU is
/// filled.
std::int64_t channels_at_a_time(const Im2colSizes& z, std::int64_t elements, std::int64_t each) {
  const std::int64_t most = std::max<std::int64_t>(z.n * z.c / direct_blocks, 1);
  return std::clamp<std::int64_t>(elements / std::max<std::int64_t>(each, 1), 1, most);
}

Im2colTiles im2col_tiles(const Im2colSizes& z, std::int64_t element_bytes) {
  const std::int64_t limit = staged_bytes / element_bytes - vector_width<float>;
  const auto pixels = [&](std::int64_t rows) {
    return std::min((rows - 1) * z.stride_h + (z.kernel_h - 1) * z.dilation_h + 1, z.h) * z.w;
  };
  Im2colTiles tiles{1, 1, z.oh, 0, 0};
  if (pixels(1) <= limit) {
    std::int64_t parts = 1;
    tiles.rows = z.oh;
    while (tiles.rows > 1 && (pixels(tiles.rows) > limit || tiles.rows * z.ow > most_windows)) {
      ++parts;
      tiles.rows = (z.oh + parts - 1) / parts;
    }
    tiles.tiles_per_channel = (z.oh + tiles.rows - 1) / tiles.rows;
    const std::int64_t whole = z.h * z.w;
    if (tiles.rows == z.oh) tiles.channels = channels_at_a_time(z, staged_pixels, whole);
    tiles.pixels = tiles.channels > 1 ? tiles.channels * whole : pixels(tiles.rows);
  }
  tiles.tiles = (z.n * z.c + tiles.channels - 1) / tiles.channels * tiles.tiles_per_channel;
  return tiles;
}

/// source[0 … count) to target, by vectors but for the ends; both are `shift` elements behind an address that
/// is aligned for vectors.
template <class T>
__device__ __forceinline__ void stage_run(const T* source, std::int64_t count, T* target, int shift) {
  constexpr int width = vector_width<T>;
  for (std::int64_t at = static_cast<std::int64_t>(threadIdx.x) * width - shift; at < count;
       at += static_cast<std::int64_t>(blockDim.x) * width) {
    if (at >= 0 && at + width <= count && is_aligned<T, width>(source + at)) {
      *reinterpret_cast<Vector<T, width>*>(target + at) =
          *reinterpret_cast<const Vector<T, width>*>(source + at);
    } else {
#pragma unroll
      for (int i = 0; i < width; ++i) {
        if (at + i >= 0 && at + i < count) target[at + i] = source[at + i];
      }
    }
  }
}

/// Neighbouring threads write neighbouring elements of a row of columns, eight of them a whole sector of 32
/// bytes: long rows that begin amid a sector are counted from its beginning on.
template <bool Staged, class T>
__global__ void __launch_bounds__(elementwise_block)
    im2col_kernel(Im2colSizes z, Im2colTiles tiles, const T* __restrict__ x, T* __restrict__ columns) {
  constexpr int width = vector_width<T>;
  const std::int64_t area = z.kernel_h * z.kernel_w;
  for (std::int64_t tile = blockIdx.x; tile < tiles.tiles; tile += gridDim.x) {
    const std::int64_t channel = tile / tiles.tiles_per_channel * tiles.channels;
    const std::int64_t channels = z.n * z.c - channel < tiles.channels ? z.n * z.c - channel : tiles.channels;
    const std::int64_t row = tile % tiles.tiles_per_channel * tiles.rows;
    const std::int64_t rows = z.oh - row < tiles.rows ? z.oh - row : tiles.rows;
    const T* pixels = x + channel * z.h * z.w;
    if constexpr (Staged) {
      const bool whole = tiles.channels > 1;
      const std::int64_t top = row * z.stride_h - z.padding_h;
      const std::int64_t end = top + (rows - 1) * z.stride_h + (z.kernel_h - 1) * z.dilation_h + 1;
      const std::int64_t first = whole || top < 0 ? 0 : top;
      const std::int64_t last = whole || end > z.h ? z.h : end;
      const std::int64_t count = whole ? channels * z.h * z.w : (last - first) * z.w;
      const T* const source = pixels + first * z.w;
      const auto shift = static_cast<int>(reinterpret_cast<std::uintptr_t>(source) / sizeof(T) % width);
      T* const staged = dynamic_shared<T>() + shift;
      __syncthreads();  // the tile before may still be read
      stage_run(source, count, staged, shift);
      __syncthreads();
      pixels = staged - first * z.w;
    }
    constexpr int sector = 32 / static_cast<int>(sizeof(T));
    const std::int64_t first = channel * area * z.oh * z.ow + row * z.ow;
    const auto windows = static_cast<int>(rows * z.ow);
    const bool shifted = windows >= 8 * sector && (z.oh * z.ow % sector != 0 || first % sector != 0);
    const int places = shifted ? (windows + 2 * sector - 2) / sector * sector : windows;
    for_each_pixel(static_cast<int>(channels * area), places, [&](int line, int at) {
      const std::int64_t begin = first + line * (z.oh * z.ow);
      const int window = shifted ? at - static_cast<int>(begin % sector) : at;
      if (window < 0 || window >= windows) return;
      const auto place = static_cast<int>(line % area);
      const auto ow = static_cast<int>(z.ow);
      const auto kernel_w = static_cast<int>(z.kernel_w);
      const std::int64_t i = row + window / ow;
      const std::int64_t y = i * z.stride_h - z.padding_h + place / kernel_w * z.dilation_h;
      const std::int64_t column = window % ow * z.stride_w - z.padding_w + place % kernel_w * z.dilation_w;
      const bool inside = y >= 0 && y < z.h && column >= 0 && column < z.w;
      columns[begin + window] = inside ? pixels[line / area * (z.h * z.w) + y * z.w + column] : T{0};
    });
  }
}

/// The sum for element `index` of x.
template <class T>
__device__ T col2im_element(const Im2colSizes& z, const T* columns, std::int64_t index) {
  const std::int64_t column = index % z.w + z.padding_w;
  const std::int64_t y = index / z.w % z.h + z.padding_h;
  const std::int64_t plane = index / (z.w * z.h);
  T sum = 0;
  for (std::int64_t r = 0; r < z.kernel_h; ++r) {
    const std::int64_t from_top = y - r * z.dilation_h;  // stride_h times the output row
    const std::int64_t i = from_top / z.stride_h;
    if (from_top < 0 || i * z.stride_h != from_top || i >= z.oh) continue;
    for (std::int64_t s = 0; s < z.kernel_w; ++s) {
      const std::int64_t from_left = column - s * z.dilation_w;
      const std::int64_t j = from_left / z.stride_w;
      if (from_left < 0 || j * z.stride_w != from_left || j >= z.ow) continue;
      sum += columns[(((plane * z.kernel_h + r) * z.kernel_w + s) * z.oh + i) * z.ow + j];
    }
  }
  return sum;
}

/// x from columns, `channels` of it at a time, whose columns are neighbours: they are staged in shared
/// memory, or loaded where they are.
template <bool Staged, class T>
__global__ void __launch_bounds__(elementwise_block)
    col2im_kernel(Im2colSizes z, std::int64_t channels, const T* __restrict__ columns, T* __restrict__ x) {
  constexpr int width = vector_width<T>;
  const std::int64_t pixels = z.h * z.w;
  const std::int64_t elements = z.kernel_h * z.kernel_w * z.oh * z.ow;
  if constexpr (!Staged) {
    const std::int64_t count = z.n * z.c * pixels;
    for (std::int64_t i = global_thread(); i < count; i += grid_threads())
      x[i] = col2im_element(z, columns, i);
  } else {
    for (std::int64_t first = blockIdx.x * channels; first < z.n * z.c; first += gridDim.x * channels) {
      const std::int64_t here = z.n * z.c - first < channels ? z.n * z.c - first : channels;
      const T* const source = columns + first * elements;
      const auto shift = static_cast<int>(reinterpret_cast<std::uintptr_t>(source) / sizeof(T) % width);
      T* const staged = dynamic_shared<T>() + shift;
      __syncthreads();  // the channels before may still be read
      stage_run(source, here * elements, staged, shift);
      __syncthreads();
      for (std::int64_t i = threadIdx.x; i < here * pixels; i += blockDim.x) {
        x[first * pixels + i] = col2im_element(z, staged, i);
      }
    }
  }
}

}  // namespace

void Im2col::cuda(const Tensor& x, Tensor& columns, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if (columns.numel() == 0) return;
    const Im2colTiles tiles = im2col_tiles(z, sizeof(T));
    const dim3 grid(static_cast<unsigned>(std::min<std::int64_t>(tiles.tiles, 1 << 20)));
    if (tiles.pixels > 0) {
      launch(im2col_kernel<true, T>, grid, dim3(elementwise_block),
             static_cast<std::size_t>(tiles.pixels + vector_width<T>) * sizeof(T), x.device(), z, tiles,
             x.data<T>(), columns.mutable_data<T>());
    } else {
      launch(im2col_kernel<false, T>, grid, dim3(elementwise_block), 0, x.device(), z, tiles, x.data<T>(),
             columns.mutable_data<T>());
    }
  });
}

void Col2im::cuda(const Tensor& columns, Tensor& x, const Im2colParameters& parameters) {
  const Im2colSizes z = im2col_sizes(name, x, columns, parameters);
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const std::int64_t elements = z.kernel_h * z.kernel_w * z.oh * z.ow;  // of a channel's columns
    constexpr std::int64_t size = sizeof(T);
    if (x.numel() > 0 && elements > 0 && (elements + vector_width<T>)*size <= direct_shared_bytes) {
      const std::int64_t channels = channels_at_a_time(z, staged_columns, elements);
      const std::int64_t blocks = std::min<std::int64_t>((z.n * z.c + channels - 1) / channels, 1 << 20);
      launch(col2im_kernel<true, T>, dim3(static_cast<unsigned>(blocks)), dim3(elementwise_block),
             static_cast<std::size_t>((channels * elements + vector_width<T>)*size), x.device(), z, channels,
             columns.data<T>(), x.mutable_data<T>());
    } else {
      launch(col2im_kernel<false, T>, dim3(elementwise_grid(x.numel())), dim3(elementwise_block), 0,
             x.device(), z, std::int64_t{0}, columns.data<T>(), x.mutable_data<T>());
    }
  });
}

}  // namespace gnn::kernels
