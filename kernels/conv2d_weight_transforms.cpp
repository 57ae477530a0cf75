#include <algorithm>
#include <vector>

#include "gnn/kernels/conv2d_transforms.h"
#include "gnn/kernels/conv2d_winograd.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/transpose_tile.h"
#include "gnn/kernels/vectors.h"
#include "gnn/kernels/winograd_transforms.h"

// The gradient of a convolution's weight by Winograd's transforms: for each of the (r + 1)² products a matrix
// product over all windows of 2 x 2 results, of what they read with their gradients, and at the end the
// transform back. Both are transformed with channels innermost, which is how the matrix product reads them.

namespace gnn::kernels {
namespace {

/// Windows of a row of an image with channels innermost, two columns apart, to products.
template <class T>
struct WindowsPart {
  const T* pixels;      // of the first window
  std::int64_t row;     // from pixel to pixel
  std::int64_t column;  // and sideways
  std::int64_t windows;
  std::int64_t vectors;  // of channels
  std::int64_t panel_vectors;
  T* out;  // [product][panel][window][channel of the panel]
  std::int64_t product_stride;
  std::int64_t panel_stride;
  std::int64_t window_stride;
};

template <class T, int taps>
struct OfInput {
  static constexpr int pixels = taps + 1;
  template <class V>
  [[gnu::always_inline]] static void run(const V (&d)[taps + 1], V (&v)[taps + 1]) {
    WinogradTransforms<T, taps>::input(d, v);
  }
};

template <class T, int taps>
struct OfGradient {
  static constexpr int pixels = 2;
  template <class V>
  [[gnu::always_inline]] static void run(const V (&y)[2], V (&m)[taps + 1]) {
    WinogradTransforms<T, taps>::output_gradient(y, m);
  }
};

template <class T, int taps, class Transform>
struct TransformWindows {
  template <int bytes>
  [[gnu::always_inline]] static void run(const WindowsPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int size = taps + 1;
    constexpr int from = Transform::pixels;
    constexpr int lanes = lanes_of<T, bytes>;
    const std::int64_t stride = part.product_stride;
    for (std::int64_t window = 0; window < part.windows; ++window) {
      const T* pixels = part.pixels + window * 2 * part.column;
      for (std::int64_t v = 0; v < part.vectors; ++v, pixels += lanes) {
        T* out = part.out + window * part.window_stride + v / part.panel_vectors * part.panel_stride +
                 v % part.panel_vectors * lanes;
        Vector columns[from][size];
        for (int s = 0; s < from; ++s) {
          Vector d[from];
          for (int r = 0; r < from; ++r) {
            d[r] = vector_at<bytes>(pixels + r * part.row + s * part.column);
          }
          Transform::run(d, columns[s]);
        }
        for (int r = 0; r < size; ++r) {
          Vector d[from];
          Vector m[size];
          for (int s = 0; s < from; ++s) d[s] = columns[s][r];
          Transform::run(d, m);
          for (int s = 0; s < size; ++s) vector_at<bytes>(out + (r * size + s) * stride) = m[s];
        }
      }
    }
  }
};

/// Sums of products to the gradients of some filters side by side in the lanes, [tap][lane].
template <class T>
struct FiltersPart {
  const T* sums;
  std::int64_t stride;  // from product to product
  T* filters;
  T* finite;  // [lane]: NaN where a filter is not finite
};

template <class T, int taps>
struct TransformSums {
  template <int bytes>
  [[gnu::always_inline]] static void run(const FiltersPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int size = taps + 1;
    constexpr int lanes = lanes_of<T, bytes>;
    Vector columns[size][taps];
    for (int s = 0; s < size; ++s) {
      Vector u[size];
      for (int r = 0; r < size; ++r) u[r] = vector_at<bytes>(part.sums + (r * size + s) * part.stride);
      WinogradTransforms<T, taps>::kernel_gradient(u, columns[s]);
    }
    Vector finite = vector_at<bytes>(part.finite);
    for (int r = 0; r < taps; ++r) {
      Vector u[size];
      Vector w[taps];
      for (int s = 0; s < size; ++s) u[s] = columns[s][r];
      WinogradTransforms<T, taps>::kernel_gradient(u, w);
      for (int s = 0; s < taps; ++s) {
        finite += w[s] * T{0};
        vector_at<bytes>(part.filters + (r * taps + s) * lanes) = w[s];
      }
    }
    vector_at<bytes>(part.finite) = finite;
  }
};

template <class T>
struct WeightKernels {
  int lanes;
  PartFunction<WindowsPart<T>> input;
  PartFunction<WindowsPart<T>> gradient;
  PartFunction<FiltersPart<T>> filters;
};

template <class T, int taps>
WeightKernels<T> choose() {
  return for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    return WeightKernels<T>{
        lanes_of<T, vector_bytes<isa>>,
        function_for<isa, TransformWindows<T, taps, OfInput<T, taps>>, WindowsPart<T>>(),
        function_for<isa, TransformWindows<T, taps, OfGradient<T, taps>>, WindowsPart<T>>(),
        function_for<isa, TransformSums<T, taps>, FiltersPart<T>>()};
  });
}

template <class T>
const WeightKernels<T>& weight_kernels(std::int64_t taps) {
  static const WeightKernels<T> three = choose<T, 3>();
  static const WeightKernels<T> five = choose<T, 5>();
  return taps == 3 ? three : five;
}

std::int64_t divide_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// Rows [begin, begin + rows) of an image of `channels` planes, h x w each, with channels innermost; zeros
/// where it has none.
template <class T>
struct Band {
  const T* image;
  std::int64_t channels, h, w;
  std::int64_t begin, rows;  // may lie outside of the image
  std::int64_t left;         // columns before the image's first
  std::int64_t columns;
  std::int64_t pixel;  // elements
};

template <class T>
[[gnu::always_inline]] inline void turn_band(const Band<T>& band, T* out) {
  const bool whole = band.pixel == band.channels && band.columns == band.w && band.begin >= 0 &&
                     band.begin + band.rows <= band.h;
  if (!whole) std::fill_n(out, band.rows * band.columns * band.pixel, T{0});
  for (std::int64_t i = std::max<std::int64_t>(band.begin, 0); i < std::min(band.begin + band.rows, band.h);
       ++i) {
    transpose_into(band.image + i * band.w, band.h * band.w, band.channels, band.w,
                   out + ((i - band.begin) * band.columns + band.left) * band.pixel, band.pixel);
  }
}

/// The sums of products of one group of channels. Its windows are gone through in bands of window rows, and
/// in blocks of bands, whose products are all computed before they are added up.
template <class T>
class WeightProducts {
 public:
  /// Blocks of about `block_elements`.
  WeightProducts(const Conv2dSizes& sizes, std::int64_t block_elements)
      : z_(sizes), kernels_(weight_kernels<T>(sizes.kernel.h)), windows_{(z_.oh + 1) / 2, (z_.ow + 1) / 2} {
    constexpr std::int64_t band_elements = 64 << 10;  // with channels innermost
    // Not of this CPU's vectors: the order of the sums must not depend on them.
    const std::int64_t channels =
        (divide_up(z_.cg, max_window_lanes) + divide_up(z_.og, max_window_lanes)) * max_window_lanes;
    const std::int64_t most_rows = band_elements / (4 * windows_.w * channels);
    image_bands_ = divide_up(windows_.h, std::clamp<std::int64_t>(most_rows, 1, windows_.h));
    band_rows_ = divide_up(windows_.h, image_bands_);
    image_bands_ = divide_up(windows_.h, band_rows_);
    const std::int64_t band_windows = band_rows_ * windows_.w;
    block_bands_ = std::clamp<std::int64_t>(block_elements / (band_windows * products() * channels), 1,
                                            z_.n * image_bands_);
    block_windows_ = std::min(block_bands_ * band_windows, z_.n * windows_.area());

    rows_.resize(static_cast<std::size_t>(z_.og));
    for (std::int64_t o = 0; o < z_.og; ++o) {
      rows_[static_cast<std::size_t>(o)] = o / lanes() * gradient_panel() + o % lanes();
    }
    depths_.resize(winograd_depth);
    for (std::int64_t k = 0; k < winograd_depth; ++k) depths_[static_cast<std::size_t>(k)] = k * lanes();
  }

  std::int64_t lanes() const { return kernels_.lanes; }
  std::int64_t products() const { return (taps() + 1) * (taps() + 1); }
  std::int64_t image_bands() const { return image_bands_; }
  std::int64_t block_bands() const { return block_bands_; }
  /// Elements of a filter's sums of one product: the group's input channels, in whole vectors.
  std::int64_t in() const { return divide_up(z_.cg, lanes()) * lanes(); }

  // Elements of memory. All strides have a vector more than they need, so that the products of a window do
  // not all fall into one set of the cache.
  std::int64_t block_size() const { return products() * (input_stride() + gradient_stride()); }
  std::int64_t sum_stride() const { return z_.og * in() + lanes(); }
  std::int64_t sum_size() const { return products() * sum_stride(); }
  std::int64_t band_size() const {
    return std::max((2 * band_rows_ + taps() - 1) * input_columns() * in(),
                    2 * band_rows_ * gradient_columns() * out_panels() * lanes());
  }

  /// A band of the block that begins with `first_band`, to `block`; `band` is scratch.
  void transform(const T* x, const T* dy, std::int64_t first_band, std::int64_t number, T* block,
                 T* band) const;

  /// Adds the windows of the bands [first_band, last_band), a block's, to the sums of a product for filters
  /// [begin, end); `first`: sets them.
  void add_up(const T* block, std::int64_t first_band, std::int64_t last_band, std::int64_t product,
              std::int64_t begin, std::int64_t end, bool first, T* sums) const;

  /// The gradients of filter o, [in][tap]; false where a part is not finite.
  bool filter(const T* sums, std::int64_t o, T* filter) const;

 private:
  std::int64_t taps() const { return z_.kernel.h; }
  std::int64_t panel() const { return panel_columns<T>(); }
  std::int64_t in_panels() const { return divide_up(in(), panel()); }
  std::int64_t out_panels() const { return divide_up(z_.og, lanes()); }  // of a vector each
  std::int64_t input_columns() const { return 2 * windows_.w + taps() - 1; }
  std::int64_t gradient_columns() const { return 2 * windows_.w; }
  // In a block: inputs [product][panel][window][channel], gradients [product][panel][window][filter].
  std::int64_t gradient_panel() const { return block_windows_ * lanes(); }
  std::int64_t input_stride() const { return in_panels() * block_windows_ * panel() + lanes(); }
  std::int64_t gradient_stride() const { return out_panels() * gradient_panel() + lanes(); }
  std::int64_t first_window(std::int64_t band) const {
    return band / image_bands_ * windows_.area() + band % image_bands_ * band_rows_ * windows_.w;
  }

  Conv2dSizes z_;
  const WeightKernels<T>& kernels_;
  Size2 windows_;  // of an image
  std::int64_t band_rows_, image_bands_, block_bands_, block_windows_;
  std::vector<std::int64_t> rows_, depths_;  // of a product's gradients
};

template <class T>
void WeightProducts<T>::transform(const T* x, const T* dy, std::int64_t first_band, std::int64_t number,
                                  T* block, T* band) const {
  const std::int64_t n = number / image_bands_;
  const std::int64_t row = number % image_bands_ * band_rows_;
  const std::int64_t row_count = std::min(band_rows_, windows_.h - row);
  const std::int64_t window = first_window(number) - first_window(first_band);

  const std::int64_t input_row = input_columns() * in();
  turn_band<T>({x + n * z_.c * z_.h * z_.w, z_.cg, z_.h, z_.w, 2 * row - z_.padding.h,
                2 * row_count + taps() - 1, z_.padding.w, input_columns(), in()},
               band);
  for (std::int64_t i = 0; i < row_count; ++i) {
    kernels_.input({.pixels = band + 2 * i * input_row,
                    .row = input_row,
                    .column = in(),
                    .windows = windows_.w,
                    .vectors = in() / lanes(),
                    .panel_vectors = panel() / lanes(),
                    .out = block + (window + i * windows_.w) * panel(),
                    .product_stride = input_stride(),
                    .panel_stride = block_windows_ * panel(),
                    .window_stride = panel()});
  }

  const std::int64_t out = out_panels() * lanes();
  const std::int64_t gradient_row = gradient_columns() * out;
  T* gradients = block + products() * input_stride();
  turn_band<T>(
      {dy + n * z_.o * z_.positions, z_.og, z_.oh, z_.ow, 2 * row, 2 * row_count, 0, gradient_columns(), out},
      band);
  for (std::int64_t i = 0; i < row_count; ++i) {
    kernels_.gradient({.pixels = band + 2 * i * gradient_row,
                       .row = gradient_row,
                       .column = out,
                       .windows = windows_.w,
                       .vectors = out_panels(),
                       .panel_vectors = 1,
                       .out = gradients + (window + i * windows_.w) * lanes(),
                       .product_stride = gradient_stride(),
                       .panel_stride = gradient_panel(),
                       .window_stride = lanes()});
  }
}

template <class T>
void WeightProducts<T>::add_up(const T* block, std::int64_t first_band, std::int64_t last_band,
                               std::int64_t product, std::int64_t begin, std::int64_t end, bool first,
                               T* sums) const {
  const T* inputs = block + product * input_stride();
  const T* gradients = block + products() * input_stride() + product * gradient_stride();
  const std::int64_t window_count = first_window(last_band) - first_window(first_band);
  for (std::int64_t window = 0; window < window_count; window += winograd_depth) {
    for (std::int64_t c = 0; c < in(); c += panel()) {
      GemmBlock<T> tile{};
      tile.a = gradients + window * lanes();
      tile.rows = rows_.data() + begin;
      tile.depths = depths_.data();
      tile.row_count = end - begin;
      tile.depth = std::min(winograd_depth, window_count - window);
      tile.b = inputs + c * block_windows_ + window * panel();
      tile.columns = std::min(panel(), in() - c);
      tile.c = sums + product * sum_stride() + begin * in() + c;
      tile.c_stride = in();
      tile.start = first && window == 0 ? nullptr : tile.c;
      tile.start_stride = in();
      multiply_block(tile);
    }
  }
}

template <class T>
bool WeightProducts<T>::filter(const T* sums, std::int64_t o, T* filter) const {
  alignas(64) T turned[25 * max_window_lanes];
  alignas(64) T finite[max_window_lanes] = {};
  const std::int64_t area = taps() * taps();
  for (std::int64_t c = 0; c < z_.cg; c += lanes()) {
    kernels_.filters({sums + o * in() + c, sum_stride(), turned, finite});
    transpose_into(turned, lanes(), area, std::min(lanes(), z_.cg - c), filter + c * area, area);
  }
  return std::all_of(finite, finite + lanes(), [](T lane) { return lane == T{0}; });
}

}  // namespace

bool transforms_suit_weight_gradient(const Conv2dSizes& z) {
  const std::int64_t windows = ((z.oh + 1) / 2) * ((z.ow + 1) / 2);
  const std::int64_t taps = z.kernel.h;
  return (z.kernel == Size2(3) || z.kernel == Size2(5)) && z.stride == Size2(1) && z.dilation == Size2(1) &&
         z.cg >= 16 && z.og >= 8 && 2 * z.positions * taps * taps >= 3 * windows * (taps + 1) * (taps + 1);
}

template <class T>
bool weight_gradient_by_transforms(const Conv2dSizes& z, const T* x, const T* dy, T* dweight,
                                   const TensorOptions& options) {
  // Where the sums are small, the batch is cut into chunks with sums of their own, which are added up in
  // order at the end: threads then wait for each other once. Else all threads share the blocks.
  constexpr std::int64_t chunk_count = 8;
  constexpr std::int64_t most_sums = 1 << 20;
  const std::int64_t products = (z.kernel.h + 1) * (z.kernel.w + 1);
  const bool chunked = z.n >= chunk_count && chunk_count * products * z.og * z.cg <= most_sums;
  const std::int64_t chunks = chunked ? chunk_count : 1;
  const WeightProducts<T> work(z, chunked ? 1 << 18 : 1 << 20);
  Tensor band_memory = empty({num_threads(), work.band_size()}, options);
  Tensor block_memory = empty({chunked ? num_threads() : 1, work.block_size()}, options);
  Tensor sum_memory = empty({chunks, work.sum_size()}, options);
  Tensor finite_memory = empty({z.og}, {DType::uint8, options.device});
  T* bands = band_memory.mutable_data<T>();
  T* blocks = block_memory.mutable_data<T>();
  T* sums = sum_memory.mutable_data<T>();
  std::uint8_t* finite = finite_memory.mutable_data<std::uint8_t>();
  const std::int64_t block_bands = work.block_bands();
  const WeightProducts<T>* const w = &work;

  bool all_finite = true;
  for (std::int64_t group = 0; group < z.groups; ++group) {
    const T* const images = x + group * z.cg * z.h * z.w;
    const T* const gradients = dy + group * z.og * z.positions;
    if (chunked) {
      parallel_for(chunks, 1, [=](std::int64_t begin, std::int64_t end) {
        T* band = bands + thread_index() * w->band_size();
        T* block = blocks + thread_index() * w->block_size();
        for (std::int64_t chunk = begin; chunk < end; ++chunk) {
          const std::int64_t chunk_begin = z.n * chunk / chunks * w->image_bands();
          const std::int64_t chunk_end = z.n * (chunk + 1) / chunks * w->image_bands();
          for (std::int64_t first = chunk_begin; first < chunk_end; first += block_bands) {
            const std::int64_t last = std::min(first + block_bands, chunk_end);
            for (std::int64_t b = first; b < last; ++b)
              w->transform(images, gradients, first, b, block, band);
            for (std::int64_t product = 0; product < products; ++product) {
              w->add_up(block, first, last, product, 0, z.og, first == chunk_begin,
                        sums + chunk * w->sum_size());
            }
          }
        }
      });
    } else {
      const std::int64_t all_bands = z.n * work.image_bands();
      for (std::int64_t first = 0; first < all_bands; first += block_bands) {
        const std::int64_t last = std::min(first + block_bands, all_bands);
        parallel_for(last - first, 1, [=](std::int64_t begin, std::int64_t end) {
          T* band = bands + thread_index() * w->band_size();
          for (std::int64_t b = begin; b < end; ++b) {
            w->transform(images, gradients, first, first + b, blocks, band);
          }
        });
        constexpr std::int64_t unit_filters = 48;
        const std::int64_t pieces = divide_up(z.og, unit_filters);
        parallel_for(products * pieces, 1, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t unit = begin; unit < end; ++unit) {
            w->add_up(blocks, first, last, unit / pieces, z.og * (unit % pieces) / pieces,
                      z.og * (unit % pieces + 1) / pieces, first == 0, sums);
          }
        });
      }
    }

    T* const filters = dweight + group * z.og * z.patch;
    parallel_for(z.og, 16384 / (z.patch * chunks) + 1, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        for (std::int64_t product = 0; product < products; ++product) {
          T* sum = sums + product * w->sum_stride() + o * w->in();
          for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
            const T* part = sum + chunk * w->sum_size();
            for (std::int64_t c = 0; c < w->in(); ++c) sum[c] += part[c];
          }
        }
        finite[o] = w->filter(sums, o, filters + o * z.patch) ? 1 : 0;
      }
    });
    all_finite = all_finite && std::all_of(finite, finite + z.og, [](std::uint8_t f) { return f == 1; });
  }
  return all_finite;
}

template bool weight_gradient_by_transforms(const Conv2dSizes&, const float*, const float*, float*,
                                            const TensorOptions&);
template bool weight_gradient_by_transforms(const Conv2dSizes&, const double*, const double*, double*,
                                            const TensorOptions&);

}  // namespace gnn::kernels
