#pragma once

#include <cstdint>
#include <vector>

#include "gnn/kernels/conv2d.h"

// The gradient of a convolution's weight by Winograd's transforms (winograd_transforms.h): for each of the
// (r + 1)² products a matrix product over all windows of 2 x 2 results, of what the windows read with their
// gradients, and at the end the transform back. Both are transformed with channels innermost, which is how
// the matrix product reads them. Not installed.

namespace gnn::kernels {

template <class T>
struct WeightTransforms;

/// Bands [first, last) of window rows, counted through all images.
struct WindowBands {
  std::int64_t first;
  std::int64_t last;
};

/// The products of one group of channels, and their sums over the windows. Images are cut into bands of
/// window rows; some bands, a block, are transformed before their products are added up. Bands and blocks,
/// and so the order of the sums, depend on the sizes alone, not on this CPU's vectors.
template <class T>
class WeightProducts {
 public:
  /// With blocks of about `block_elements`.
  WeightProducts(const Conv2dSizes& sizes, std::int64_t block_elements);

  std::int64_t products() const { return (taps_ + 1) * (taps_ + 1); }
  std::int64_t image_bands() const { return image_bands_; }
  std::int64_t block_bands() const { return block_bands_; }  ///< at most
  /// The sums of a product: a row of row_size() input channels for each filter.
  std::int64_t row_size() const { return in_; }
  std::int64_t sum_stride() const { return sum_stride_; }

  // Elements of memory.
  std::int64_t band_size() const { return band_size_; }
  std::int64_t block_size() const { return products() * (input_stride_ + gradient_stride_); }
  std::int64_t sum_size() const { return products() * sum_stride_; }

  /// One band of `bands` to its place in `block`; `scratch` has band_size() elements. x and dy begin with the
  /// group's first channel.
  void transform(const T* x, const T* dy, WindowBands bands, std::int64_t band, T* block, T* scratch) const;

  /// Adds a product of all windows of a block to its sums, or sets these, for filters [begin, end).
  void add_up(const T* block, WindowBands bands, std::int64_t product, std::int64_t begin, std::int64_t end,
              bool set, T* sums) const;

  /// The gradient of filter o, [channel][tap]; false where a part of it is not finite.
  bool filter(const T* sums, std::int64_t o, T* gradient) const;

 private:
  std::int64_t first_window(std::int64_t band) const {
    return band / image_bands_ * windows_.area() + band % image_bands_ * band_rows_ * windows_.w;
  }

  Conv2dSizes z_;
  const WeightTransforms<T>* transforms_;
  std::int64_t taps_, lanes_;
  std::int64_t in_, out_;                     // channels, in whole vectors
  std::int64_t panel_;                        // input channels of a panel (gemm_tile.h)
  Size2 windows_;                             // of an image
  Size2 input_, gradient_;                    // pixels of a band
  std::int64_t band_rows_;                    // of windows
  std::int64_t image_bands_;                  // of an image
  std::int64_t block_bands_, block_windows_;  // of a block, at most
  std::int64_t band_size_;
  // From product to product. A block holds inputs [product][panel][window][channel] and gradients
  // [product][vector of filters][window][filter].
  std::int64_t input_stride_, gradient_stride_, sum_stride_;
  std::vector<std::int64_t> rows_, depths_;  // of the gradients as a left matrix: filters, windows
};

}  // namespace gnn::kernels
