#include "gnn/data/memory_source.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "gnn/core/check.h"
#include "gnn/core/stream.h"
#include "gnn/kernels/gather_batch.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

Shape sample_shape(const Tensor& tensor) {
  return Shape(std::span<const std::int64_t>(tensor.shape().begin() + 1, tensor.shape().end()));
}

template <class Data>
Data checked(Data data) {
  check_dataset(data);
  return data;
}

// Copies whole samples; for any dtype.
void gather_rows(const Tensor& from, std::span<const std::int64_t> indices, Tensor& to) {
  if (from.numel() == 0 || indices.empty()) return;
  const std::size_t bytes = from.nbytes() / static_cast<std::size_t>(from.size(0));
  const auto* source = static_cast<const std::byte*>(from.raw_data());
  auto* target = static_cast<std::byte*>(to.mutable_raw_data());
  for (const std::int64_t index : indices) {
    std::memcpy(target, source + static_cast<std::size_t>(index) * bytes, bytes);
    target += bytes;
  }
}

Tensor chosen_rows(const Tensor& from, std::span<const std::int64_t> indices) {
  for (const std::int64_t index : indices) {
    check<IndexError>(index >= 0 && index < from.size(0), "subset: index {} is outside of the {} samples",
                      index, from.size(0));
  }
  Tensor chosen = empty(from.shape().with(0, std::ssize(indices)), from.options());
  gather_rows(from, indices, chosen);
  return chosen;
}

}  // namespace

Tensor on_device(const Tensor& host, Device device) {
  Tensor copy = empty(host.shape(), {host.dtype(), device});
  copy.copy_from(host);
  return copy;
}

TensorSource::TensorSource(TensorDataset data) : data_(checked(std::move(data))) {}

Shape TensorSource::input_shape() const {
  return sample_shape(data_.inputs);
}
Shape TensorSource::label_shape() const {
  return sample_shape(data_.labels);
}

std::shared_ptr<Dataset> make_dataset(ImageDataset dataset) {
  return std::make_shared<ImageSource>(std::move(dataset));
}

std::shared_ptr<Dataset> make_dataset(TensorDataset dataset) {
  return std::make_shared<TensorSource>(std::move(dataset));
}

ImageDataset subset(const ImageDataset& dataset, std::span<const std::int64_t> indices) {
  check_dataset(dataset);
  ImageDataset chosen = dataset;
  chosen.images = chosen_rows(dataset.images, indices);
  chosen.labels = chosen_rows(dataset.labels, indices);
  return chosen;
}

TensorDataset subset(const TensorDataset& dataset, std::span<const std::int64_t> indices) {
  check_dataset(dataset);
  return {chosen_rows(dataset.inputs, indices), chosen_rows(dataset.labels, indices)};
}

void TensorSource::fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) {
  gather_rows(data_.inputs, indices, inputs);
  gather_rows(data_.labels, indices, labels);
}

ImageSource::ImageSource(ImageDataset data)
    : data_(checked(std::move(data))), scale_(1 / (255 * data_.std)), shift_(-data_.mean / data_.std) {
  // The formula of kernels::GatherBatch.
  for (std::size_t pixel = 0; pixel < normalised_.size(); ++pixel) {
    normalised_[pixel] =
        std::fma(static_cast<float>(pixel), static_cast<float>(scale_), static_cast<float>(shift_));
  }
}

Shape ImageSource::input_shape() const {
  return sample_shape(data_.images);
}

// Runs on the prefetch thread beside a training step that has all cores: a plain loop, 20 µs for 64 digits,
// disturbs it less than a second team of OpenMP threads would.
void ImageSource::fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) {
  gather_rows(data_.labels, indices, labels);
  const std::int64_t pixels = input_shape().numel();
  const std::uint8_t* images = data_.images.data<std::uint8_t>();
  float* target = inputs.mutable_data<float>();
  for (const std::int64_t index : indices) {
    const std::uint8_t* image = images + index * pixels;
    for (std::int64_t i = 0; i < pixels; ++i) target[i] = normalised_[image[i]];
    target += pixels;
  }
}

bool ImageSource::upload(Device device) {
  try {
    device_images_ = on_device(data_.images, device);
    device_labels_ = on_device(data_.labels, device);
  } catch (const OutOfMemoryError&) {
    device_images_ = {};
    device_labels_ = {};
    return false;
  }
  Stream::current(device).synchronize();  // loops may run on other streams
  return true;
}

void ImageSource::gather(const Tensor& indices, Tensor& inputs, Tensor& labels) const {
  kernels::run<kernels::GatherBatch>(device_images_, device_labels_, indices, scale_, shift_, inputs, labels);
  const Stream stream = Stream::current(inputs.device());
  for (const Tensor* tensor : {&device_images_, &device_labels_, &indices}) tensor->record_stream(stream);
}

}  // namespace gnn
