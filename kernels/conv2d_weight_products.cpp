#include "gnn/kernels/conv2d_weight_products.h"

#include <algorithm>

#include "gnn/kernels/conv2d_winograd.h"
#include "gnn/kernels/gemm_tile.h"
#include "gnn/kernels/isa_function.h"
#include "gnn/kernels/transpose_tile.h"
#include "gnn/kernels/vectors.h"
#include "gnn/kernels/winograd_transforms.h"

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

template <class T, class Transform>
struct TransformWindows {
  template <int bytes>
  [[gnu::always_inline]] static void run(const WindowsPart<T>& part) {
    using Vector = typename VectorOf<T, bytes>::type;
    constexpr int size = Transform::out;
    constexpr int lanes = lanes_of<T, bytes>;
    const std::int64_t row = part.row;
    const std::int64_t column = part.column;
    const std::int64_t stride = part.product_stride;
    for (std::int64_t window = 0; window < part.windows; ++window) {
      const T* pixels = part.pixels + window * 2 * part.column;
      for (std::int64_t v = 0; v < part.vectors; ++v, pixels += lanes) {
        T* out = part.out + window * part.window_stride + v / part.panel_vectors * part.panel_stride +
                 v % part.panel_vectors * lanes;
        transform_both_ways<Vector, Transform, Transform>(
            [=](int r, int s, Vector& pixel)
                [[gnu::always_inline]] { pixel = vector_at<bytes>(pixels + r * row + s * column); },
            [=](int r, int s, const Vector& product)
                [[gnu::always_inline]] { vector_at<bytes>(out + (r * size + s) * stride) = product; });
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
    using Transform = KernelGradientTransform<T, taps>;
    constexpr int size = Transform::in;
    constexpr int lanes = lanes_of<T, bytes>;
    const T* const sums = part.sums;
    const std::int64_t stride = part.stride;
    T* const filters = part.filters;
    Vector finite = vector_at<bytes>(part.finite);
    transform_both_ways<Vector, Transform, Transform>(
        [=](int r, int s, Vector& sum)
            [[gnu::always_inline]] { sum = vector_at<bytes>(sums + (r * size + s) * stride); },
        [=, &finite](int r, int s, const Vector& w) [[gnu::always_inline]] {
          finite += w * T{0};
          vector_at<bytes>(filters + (r * taps + s) * lanes) = w;
        });
    vector_at<bytes>(part.finite) = finite;
  }
};

}  // namespace

/// For one size of kernels and the widest vectors of this CPU.
template <class T>
struct WeightTransforms {
  int lanes;
  PartFunction<WindowsPart<T>> input;
  PartFunction<WindowsPart<T>> gradient;
  PartFunction<FiltersPart<T>> filters;
};

namespace {

template <class T, int taps>
WeightTransforms<T> choose() {
  return for_widest_vectors([](auto constant) {
    constexpr Isa isa = decltype(constant)::value;
    return WeightTransforms<T>{
        lanes_of<T, vector_bytes<isa>>,
        function_for<isa, TransformWindows<T, InputTransform<T, taps>>, WindowsPart<T>>(),
        function_for<isa, TransformWindows<T, OutputGradientTransform<T, taps>>, WindowsPart<T>>(),
        function_for<isa, TransformSums<T, taps>, FiltersPart<T>>()};
  });
}

template <class T>
const WeightTransforms<T>& weight_transforms(std::int64_t taps) {
  static const WeightTransforms<T> three = choose<T, 3>();
  static const WeightTransforms<T> five = choose<T, 5>();
  return taps == 3 ? three : five;
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

}  // namespace

template <class T>
WeightProducts<T>::WeightProducts(const Conv2dSizes& sizes, std::int64_t block_elements)
    : z_(sizes),
      transforms_(&weight_transforms<T>(sizes.kernel.h)),
      taps_(sizes.kernel.h),
      lanes_(transforms_->lanes),
      in_(divide_up(z_.cg, lanes_) * lanes_),
      out_(divide_up(z_.og, lanes_) * lanes_),
      panel_(panel_columns<T>()),
      windows_{(z_.oh + 1) / 2, (z_.ow + 1) / 2} {
  constexpr std::int64_t most_pixels = 1 << 16;  // of a band, times channels
  const std::int64_t channels =
      (divide_up(z_.cg, max_window_lanes) + divide_up(z_.og, max_window_lanes)) * max_window_lanes;
  const std::int64_t most_rows =
      std::clamp<std::int64_t>(most_pixels / (4 * windows_.w * channels), 1, windows_.h);
  band_rows_ = divide_up(windows_.h, divide_up(windows_.h, most_rows));  // as equal as possible
  image_bands_ = divide_up(windows_.h, band_rows_);
  input_ = {2 * band_rows_ + taps_ - 1, 2 * windows_.w + taps_ - 1};
  gradient_ = {2 * band_rows_, 2 * windows_.w};
  band_size_ = std::max(input_.area() * in_, gradient_.area() * out_);

  const std::int64_t band_windows = band_rows_ * windows_.w;
  block_bands_ = std::clamp<std::int64_t>(block_elements / (band_windows * products() * channels), 1,
                                          z_.n * image_bands_);
  block_windows_ = std::min(block_bands_ * band_windows, z_.n * windows_.area());
  // With a vector more than is needed, so that the products of a window do not all fall into one set of the
  // cache.
  input_stride_ = divide_up(in_, panel_) * block_windows_ * panel_ + lanes_;
  gradient_stride_ = block_windows_ * out_ + lanes_;
  sum_stride_ = z_.og * in_ + lanes_;

  for (std::int64_t o = 0; o < z_.og; ++o) {
    rows_.push_back(o / lanes_ * block_windows_ * lanes_ + o % lanes_);
  }
  for (std::int64_t window = 0; window < winograd_depth; ++window) depths_.push_back(window * lanes_);
}

template <class T>
void WeightProducts<T>::transform(const T* x, const T* dy, WindowBands bands, std::int64_t band, T* block,
                                  T* scratch) const {
  const std::int64_t n = band / image_bands_;
  const std::int64_t row = band % image_bands_ * band_rows_;
  const std::int64_t row_count = std::min(band_rows_, windows_.h - row);
  const std::int64_t window = first_window(band) - first_window(bands.first);

  turn_band<T>({.image = x + n * z_.c * z_.h * z_.w,
                .channels = z_.cg,
                .h = z_.h,
                .w = z_.w,
                .begin = 2 * row - z_.padding.h,
                .rows = 2 * row_count + taps_ - 1,
                .left = z_.padding.w,
                .columns = input_.w,
                .pixel = in_},
               scratch);
  for (std::int64_t i = 0; i < row_count; ++i) {
    transforms_->input({.pixels = scratch + 2 * i * input_.w * in_,
                        .row = input_.w * in_,
                        .column = in_,
                        .windows = windows_.w,
                        .vectors = in_ / lanes_,
                        .panel_vectors = panel_ / lanes_,
                        .out = block + (window + i * windows_.w) * panel_,
                        .product_stride = input_stride_,
                        .panel_stride = block_windows_ * panel_,
                        .window_stride = panel_});
  }

  turn_band<T>({.image = dy + n * z_.o * z_.positions,
                .channels = z_.og,
                .h = z_.oh,
                .w = z_.ow,
                .begin = 2 * row,
                .rows = 2 * row_count,
                .left = 0,
                .columns = gradient_.w,
                .pixel = out_},
               scratch);
  T* const gradients = block + products() * input_stride_;
  for (std::int64_t i = 0; i < row_count; ++i) {
    transforms_->gradient({.pixels = scratch + 2 * i * gradient_.w * out_,
                           .row = gradient_.w * out_,
                           .column = out_,
                           .windows = windows_.w,
                           .vectors = out_ / lanes_,
                           .panel_vectors = 1,
                           .out = gradients + (window + i * windows_.w) * lanes_,
                           .product_stride = gradient_stride_,
                           .panel_stride = block_windows_ * lanes_,
                           .window_stride = lanes_});
  }
}

template <class T>
void WeightProducts<T>::add_up(const T* block, WindowBands bands, std::int64_t product, std::int64_t begin,
                               std::int64_t end, bool set, T* sums) const {
  const T* const inputs = block + product * input_stride_;
  const T* const gradients = block + products() * input_stride_ + product * gradient_stride_;
  const std::int64_t window_count = first_window(bands.last) - first_window(bands.first);
  for (std::int64_t window = 0; window < window_count; window += winograd_depth) {
    for (std::int64_t c = 0; c < in_; c += panel_) {
      GemmBlock<T> tile{};
      tile.a = gradients + window * lanes_;
      tile.rows = rows_.data() + begin;
      tile.depths = depths_.data();
      tile.row_count = end - begin;
      tile.depth = std::min(winograd_depth, window_count - window);
      tile.b = inputs + c * block_windows_ + window * panel_;
      tile.columns = std::min(panel_, in_ - c);
      tile.c = sums + product * sum_stride_ + begin * in_ + c;
      tile.c_stride = in_;
      tile.start = set && window == 0 ? nullptr : tile.c;
      tile.start_stride = in_;
      multiply_block(tile);
    }
  }
}

template <class T>
bool WeightProducts<T>::filter(const T* sums, std::int64_t o, T* gradient) const {
  alignas(64) T turned[25 * max_window_lanes];
  alignas(64) T finite[max_window_lanes] = {};
  const std::int64_t area = taps_ * taps_;
  for (std::int64_t c = 0; c < z_.cg; c += lanes_) {
    transforms_->filters({sums + o * in_ + c, sum_stride_, turned, finite});
    transpose_into(turned, lanes_, area, std::min(lanes_, z_.cg - c), gradient + c * area, area);
  }
  return std::all_of(finite, finite + lanes_, [](T lane) { return lane == T{0}; });
}

template class WeightProducts<float>;
template class WeightProducts<double>;

}  // namespace gnn::kernels
