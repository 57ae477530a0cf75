#include "gnn/kernels/conv2d_winograd.h"

#include <algorithm>

#include "gnn/kernels/conv2d_windows.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/transpose_tile.h"
#include "gnn/kernels/vectors.h"
#include "gnn/kernels/winograd_transforms.h"

// A stack's way through memory: its pixels, transformed, [product][channel][stack][lane]; for one row of
// products and a few output channels, the products' sums over the channels, which the first-level cache
// holds until they are transformed to a row's two results; and of these, once all rows are there, the pixels.

namespace gnn::kernels {
namespace {

constexpr int most_rows = 12;  // output channels whose sums are in registers
constexpr int row_step = 2;

/// Rows of pixels of a stack.
template <int taps>
constexpr int stack_rows = 2 * winograd_stack<taps>;

/// The stacks' pixels to products.
template <class T>
struct InputPart {
  const WindowTile<T>* tiles;
  int count;  // of stacks
  std::int64_t channels;
  T* out;  // [product][channel][stack][lane]
  std::int64_t out_stride;
};

template <class T, int taps>
struct TransformInput {
  template <int bytes>
  [[gnu::always_inline]] static void run(const InputPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int width = taps + 1;
    constexpr int lanes = lanes_of<T, bytes>;
    const std::int64_t channel_stride = part.tiles->channel_stride;
    const std::int64_t row_stride = part.tiles->tap_offset[2];
    const std::int64_t column_stride = part.tiles->tap_offset[1];
    const std::int64_t out_stride = part.out_stride;
    T* out = part.out;
    for (std::int64_t c = 0; c < part.channels; ++c) {
      const std::int64_t next = c + 1 < part.channels ? channel_stride : 0;  // it lies far away
      for (int t = 0; t < part.count; ++t, out += lanes) {                   // neighbours share pixels
        const T* pixels = part.tiles[t * winograd_stack<taps>].panel + c * channel_stride;
        transform_both_ways<Vector, InputTransform<T, taps, stack_rows<taps>>, InputTransform<T, taps>>(
            [=](int r, int s, Vector& d) [[gnu::always_inline]] {
              const T* pixel = pixels + r * row_stride + s * column_stride;
              d = vector_at<bytes>(pixel);
              __builtin_prefetch(pixel + next);
            },
            [=](int r, int s, const Vector& v)
                [[gnu::always_inline]] { vector_at<bytes>(out + (r * width + s) * out_stride) = v; });
      }
    }
  }
};

/// Filters side by side in the lanes, [tap][lane], to products.
template <class T>
struct FilterPart {
  const T* filters;
  T* out;
  std::int64_t out_stride;  // from product to product
};

template <class T, int taps>
struct TransformFilters {
  template <int bytes>
  [[gnu::always_inline]] static void run(const FilterPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int width = taps + 1;
    constexpr int lanes = lanes_of<T, bytes>;
    const T* const filters = part.filters;
    T* const out = part.out;
    const std::int64_t out_stride = part.out_stride;
    transform_both_ways<Vector, KernelTransform<T, taps, stack_rows<taps>>, KernelTransform<T, taps>>(
        [=](int r, int s, Vector& w)
            [[gnu::always_inline]] { w = vector_at<bytes>(filters + (r * taps + s) * lanes); },
        [=](int r, int s, const Vector& u)
            [[gnu::always_inline]] { vector_at<bytes>(out + (r * width + s) * out_stride) = u; });
  }
};

/// Sums over the channels for some output channels and `count` products.
template <class T>
struct ProductPart {
  const T* weight;  // of the first output channel and product
  std::int64_t weight_stride;
  const T* input;
  std::int64_t input_stride;
  std::int64_t channels;
  int count;
  T* sums;  // [product][row][stack][lane]
};

template <class T, int Rows, int Stacks>
struct Multiply {
  template <int bytes>
  [[gnu::always_inline]] static void run(const ProductPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int lanes = lanes_of<T, bytes>;
    T* out = part.sums;
    for (int product = 0; product < part.count; ++product, out += Rows * Stacks * lanes) {
      const T* weight = part.weight + product * part.weight_stride;
      const T* input = part.input + product * part.input_stride;
      for (std::int64_t begin = 0; begin < part.channels; begin += winograd_depth) {
        Vector sum[Rows][Stacks] = {};
        const std::int64_t end = std::min(part.channels, begin + winograd_depth);
        for (std::int64_t c = begin; c < end; ++c) {
          Vector right[Stacks];
#pragma GCC unroll 4
          for (int t = 0; t < Stacks; ++t) right[t] = vector_at<bytes>(input + (c * Stacks + t) * lanes);
#pragma GCC unroll 16
          for (int i = 0; i < Rows; ++i) {
            const Vector left = weight[i * part.channels + c] - Vector{};  // in every lane
#pragma GCC unroll 4
            for (int t = 0; t < Stacks; ++t) sum[i][t] += left * right[t];
          }
        }
#pragma GCC unroll 16
        for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
          for (int t = 0; t < Stacks; ++t) {
            Vector& to = vector_at<bytes>(out + (i * Stacks + t) * lanes);
            to = begin == 0 ? sum[i][t] : to + sum[i][t];
          }
        }
      }
    }
  }
};

/// The sums of a row of products to two results each: [product][vector][lane] to [vector][result][row][lane].
template <class T>
struct RowPart {
  const T* sums;
  std::int64_t stride;   // from product to product
  std::int64_t vectors;  // channels times stacks
  T* out;
};

template <class T, int taps>
struct TransformRow {
  template <int bytes>
  [[gnu::always_inline]] static void run(const RowPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int height = taps + stack_rows<taps> - 1;
    constexpr int width = taps + 1;
    constexpr int lanes = lanes_of<T, bytes>;
    for (std::int64_t i = 0; i < part.vectors; ++i) {
      Vector m[width];
      Vector y[2];
      for (int s = 0; s < width; ++s) m[s] = vector_at<bytes>(part.sums + s * part.stride + i * lanes);
      WinogradTransforms<T, taps>::output(m, y);
      T* out = part.out + i * 2 * height * lanes;
      vector_at<bytes>(out) = y[0];
      vector_at<bytes>(out + height * lanes) = y[1];
    }
  }
};

/// The rows' results of some output channels of a stack to the pixels of its windows.
template <class T>
struct PixelPart {
  const T* rows;  // [result][row][lane]
  std::int64_t stride;
  std::int64_t channels;
  const T* bias;              // may be nullptr: 0
  T* z[most_winograd_stack];  // of a window: [channel][pixel][lane]
  T* finite;                  // [lane]
};

template <class T, int taps>
struct TransformPixels {
  template <int bytes>
  [[gnu::always_inline]] static void run(const PixelPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int height = taps + stack_rows<taps> - 1;
    constexpr int lanes = lanes_of<T, bytes>;
    Vector finite = vector_at<bytes>(part.finite);
    for (std::int64_t i = 0; i < part.channels; ++i) {
      const Vector bias = (part.bias == nullptr ? T{0} : part.bias[i]) - Vector{};
      for (int column = 0; column < 2; ++column) {
        Vector m[height];
        Vector y[stack_rows<taps>];
        const T* rows = part.rows + i * part.stride + column * height * lanes;
        for (int r = 0; r < height; ++r) m[r] = vector_at<bytes>(rows + r * lanes);
        WinogradTransforms<T, taps, stack_rows<taps>>::output(m, y);
        for (int row = 0; row < stack_rows<taps>; ++row) {
          finite += y[row] * T{0};
          vector_at<bytes>(part.z[row / 2] + (i * 4 + row % 2 * 2 + column) * lanes) = y[row] + bias;
        }
      }
    }
    vector_at<bytes>(part.finite) = finite;
  }
};

/// For one size of kernels and the widest vectors of this CPU.
template <class T>
struct WinogradKernels {
  int lanes;
  int rows;  // of the largest product
  PartFunction<FilterPart<T>> filters;
  PartFunction<InputPart<T>> input;
  PartFunction<ProductPart<T>> multiply[most_rows / row_step][most_winograd_stacks];
  PartFunction<RowPart<T>> row;
  PartFunction<PixelPart<T>> pixels;
};

template <class T, int taps>
WinogradKernels<T> choose() {
  return for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    WinogradKernels<T> kernels{};
    kernels.lanes = lanes_of<T, vector_bytes<isa>>;
    kernels.filters = function_for<isa, TransformFilters<T, taps>, FilterPart<T>>();
    kernels.input = function_for<isa, TransformInput<T, taps>, InputPart<T>>();
    kernels.row = function_for<isa, TransformRow<T, taps>, RowPart<T>>();
    kernels.pixels = function_for<isa, TransformPixels<T, taps>, PixelPart<T>>();
    const auto add = [&](auto rows) {
      auto& multiply = kernels.multiply[rows / row_step - 1];
      multiply[0] = function_for<isa, Multiply<T, rows, 1>, ProductPart<T>>();
      multiply[1] = function_for<isa, Multiply<T, rows, 2>, ProductPart<T>>();
      kernels.rows = rows;
    };
    add(std::integral_constant<int, 2>{});
    add(std::integral_constant<int, 4>{});
    // 2 · 12 sums, 2 vectors of the input and 1 weight fill 27 of the 32 registers of AVX-512; 2 · 4 + 2 + 1
    // fill 11 of the 16 of AVX2.
    if constexpr (isa == Isa::avx512) {
      add(std::integral_constant<int, 6>{});
      add(std::integral_constant<int, 8>{});
      add(std::integral_constant<int, 10>{});
      add(std::integral_constant<int, 12>{});
    }
    return kernels;
  });
}

template <class T>
const WinogradKernels<T>& winograd_kernels(int taps) {
  static const WinogradKernels<T> three = choose<T, 3>();
  static const WinogradKernels<T> five = choose<T, 5>();
  return taps == 3 ? three : five;
}

/// Windows times output channels that are pooled at a time: 12 KiB of pixels.
constexpr std::int64_t most_pooled = 48;

}  // namespace

bool winograd_suits(const Conv2dSizes& z, std::int64_t least_windows) {
  const std::int64_t windows = ((z.oh + 1) / 2) * ((z.ow + 1) / 2);
  const std::int64_t least_channels = z.kernel == Size2(3) ? 16 : 6;  // measured
  return windows_have_offsets(z) && windows >= least_windows && std::min(z.oh, z.ow) > 1 &&
         (z.kernel == Size2(3) || z.kernel == Size2(5)) && z.stride == Size2(1) && z.dilation == Size2(1) &&
         z.cg >= least_channels && z.og >= 8;
}

template <class T>
WinogradLayout winograd_layout(const Conv2dSizes& sizes) {
  WinogradLayout w{};
  const std::int64_t lanes = window_lanes<T>();
  w.taps = static_cast<int>(sizes.kernel.h);
  w.stack = w.taps == 3 ? winograd_stack<3> : winograd_stack<5>;
  w.height = w.taps + 2 * w.stack - 1;
  w.width = w.taps + 1;
  w.in_channels = sizes.cg;
  w.out_channels = sizes.og;
  const std::int64_t filters = w.in_channels * w.out_channels;
  w.weight_blocks = (filters + lanes - 1) / lanes;
  // Both strides with a vector more, so that the products of one filter or channel do not all fall into one
  // set of the cache.
  w.weight_stride =
      std::max(divide_up(w.out_channels, row_step) * row_step * w.in_channels, w.weight_blocks * lanes) +
      lanes;
  w.input_stride = (w.in_channels * most_winograd_stacks + 1) * lanes;
  w.scratch_size =
      w.products() * w.input_stride + w.out_channels * most_winograd_stacks * 2 * w.height * lanes;
  return w;
}

template <class T>
void transform_weight(const WinogradLayout& layout, const T* weight, std::int64_t begin, std::int64_t end,
                      T* out) {
  const WinogradKernels<T>& kernels = winograd_kernels<T>(layout.taps);
  const std::int64_t lanes = kernels.lanes;
  const std::int64_t area = std::int64_t{layout.taps} * layout.taps;
  const std::int64_t filters = layout.in_channels * layout.out_channels;
  alignas(64) T turned[25 * max_window_lanes] = {};
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t first = block * lanes;
    const std::int64_t count = std::min(lanes, filters - first);
    if (count < lanes) std::fill_n(turned, area * lanes, T{0});
    transpose_into(weight + first * area, area, count, area, turned, lanes);
    kernels.filters({turned, out + first, layout.weight_stride});
    if (block + 1 < layout.weight_blocks) continue;
    for (std::int64_t product = 0; product < layout.products(); ++product) {  // beyond the last channel
      std::fill(out + product * layout.weight_stride + first + lanes,
                out + (product + 1) * layout.weight_stride, T{0});
    }
  }
}

template <class T>
void multiply_windows(const WinogradLayout& layout, const T* weight, const WindowTile<T>* tiles, int count,
                      T* scratch, T (*finite)[max_window_lanes]) {
  const WinogradKernels<T>& kernels = winograd_kernels<T>(layout.taps);
  const std::int64_t lanes = kernels.lanes;
  T* input = scratch;
  T* rows = scratch + layout.products() * layout.input_stride;
  kernels.input({tiles, count, layout.in_channels, input, layout.input_stride});

  alignas(64) T sums[6 * most_rows * most_winograd_stacks * max_window_lanes];
  const std::int64_t row_size = 2 * layout.height * lanes;  // for a channel of a stack
  const std::int64_t steps = divide_up(layout.out_channels, row_step);
  const std::int64_t blocks = divide_up(steps * row_step, kernels.rows);
  for (int i = 0; i < layout.height; ++i) {
    const int product = i * layout.width;
    for (std::int64_t k = 0; k < blocks; ++k) {  // as equal as possible
      const std::int64_t channel = steps * k / blocks * row_step;
      const std::int64_t block = steps * (k + 1) / blocks * row_step - channel;
      const std::int64_t left = layout.out_channels - channel;
      const std::int64_t vectors = block * count;
      kernels.multiply[block / row_step - 1][count - 1](
          {weight + product * layout.weight_stride + channel * layout.in_channels, layout.weight_stride,
           input + product * layout.input_stride, layout.input_stride, layout.in_channels, layout.width,
           sums});
      kernels.row({sums, vectors * lanes, std::min(block, left) * count,
                   rows + channel * count * row_size + i * lanes});
    }
  }

  alignas(64) T pooled[most_pooled * 4 * max_window_lanes];
  const std::int64_t most_channels = most_pooled / layout.stack;
  for (int t = 0; t < count; ++t) {
    const WindowTile<T>* const stack = tiles + t * layout.stack;
    std::fill_n(finite[t], lanes, T{0});
    for (std::int64_t begin = 0; begin < layout.out_channels; begin += most_channels) {
      const std::int64_t end = std::min(layout.out_channels, begin + most_channels);
      PixelPart<T> part{
          rows + (begin * count + t) * row_size, count * row_size, end - begin, nullptr, {}, finite[t]};
      WindowTile<T> some[most_winograd_stack];
      for (int i = 0; i < layout.stack; ++i) {
        some[i] = channels_of(stack[i], begin, end);
        part.z[i] = some[i].pixels == nullptr ? pooled + i * most_channels * 4 * lanes : some[i].pixels;
      }
      part.bias = some[0].bias;
      kernels.pixels(part);
      for (int i = 0; i < layout.stack; ++i) {
        if (some[i].y != nullptr) pool_pixels(some[i], part.z[i]);
      }
    }
  }
}

template WinogradLayout winograd_layout<float>(const Conv2dSizes& sizes);
template WinogradLayout winograd_layout<double>(const Conv2dSizes& sizes);
template void transform_weight(const WinogradLayout&, const float*, std::int64_t, std::int64_t, float*);
template void transform_weight(const WinogradLayout&, const double*, std::int64_t, std::int64_t, double*);
template void multiply_windows(const WinogradLayout&, const float*, const WindowTile<float>*, int, float*,
                               float (*)[max_window_lanes]);
template void multiply_windows(const WinogradLayout&, const double*, const WindowTile<double>*, int, double*,
                               double (*)[max_window_lanes]);

}  // namespace gnn::kernels
