#pragma once

// Data sets in memory as what a DataLoader takes samples from. Not installed.

#include <array>

#include "gnn/data/dataset.h"

namespace gnn {

/// A copy on `device`.
Tensor on_device(const Tensor& host, Device device);

/// The samples of a TensorDataset as they are.
class TensorSource : public Dataset {
 public:
  /// Throws what check_dataset throws.
  explicit TensorSource(TensorDataset data);

  std::int64_t size() const override { return data_.inputs.size(0); }
  Shape input_shape() const override;
  DType input_dtype() const override { return data_.inputs.dtype(); }
  Shape label_shape() const override;
  DType label_dtype() const override { return data_.labels.dtype(); }
  void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) override;

 private:
  TensorDataset data_;
};

/// Normalised images: pixel / 255 * 1 / std - mean / std, the same bits on every device.
class ImageSource : public Dataset {
 public:
  /// Throws what check_dataset throws.
  explicit ImageSource(ImageDataset data);

  std::int64_t size() const override { return data_.images.size(0); }
  Shape input_shape() const override;
  void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) override;

  /// Copies the data set to a CUDA device; false when it does not fit there.
  bool upload(Device device);
  /// fill() there: `indices` is int64 [B] on that device. Does not wait for it.
  void gather(const Tensor& indices, Tensor& inputs, Tensor& labels) const;

 private:
  ImageDataset data_;
  double scale_;
  double shift_;
  std::array<float, 256> normalised_{};  // by pixel
  Tensor device_images_;
  Tensor device_labels_;
};

}  // namespace gnn
