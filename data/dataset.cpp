#include "gnn/data/dataset.h"

#include <array>
#include <cmath>

#include "gnn/core/check.h"

namespace gnn {

Dataset::~Dataset() = default;

PixelStatistics pixel_statistics(const Tensor& images) {
  std::array<std::int64_t, 256> counts{};
  const std::uint8_t* pixels = images.data<std::uint8_t>();
  for (std::int64_t i = 0; i < images.numel(); ++i) ++counts[pixels[i]];
  const auto n = static_cast<double>(images.numel());
  if (n == 0) return {};
  double mean = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    mean += static_cast<double>(value) / 255 * (static_cast<double>(counts[value]) / n);
  }
  double variance = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    const double deviation = static_cast<double>(value) / 255 - mean;
    variance += deviation * deviation * (static_cast<double>(counts[value]) / n);
  }
  // Where all pixels are equal, rounding leaves some 1e-33; one pixel of 10^12 that differs gives 1e-17.
  return {mean, variance > 1e-24 ? std::sqrt(variance) : 1};
}

void check_dataset(const ImageDataset& dataset) {
  const Tensor& images = dataset.images;
  const Tensor& labels = dataset.labels;
  check<ValueError>(images.defined() && labels.defined(),
                    "data set '{}': images and labels must both be given", dataset.name);
  check<DeviceError>(images.device().is_cpu() && labels.device().is_cpu(),
                     "data set '{}': expected images and labels on the CPU, got {} and {}", dataset.name,
                     images.device(), labels.device());
  check<DTypeError>(images.dtype() == DType::uint8 && labels.dtype() == DType::int64,
                    "data set '{}': expected uint8 images and int64 labels, got {} and {}", dataset.name,
                    images.dtype(), labels.dtype());
  check<ShapeError>(images.dim() == 4 && labels.dim() == 1 && images.size(0) == labels.size(0),
                    "data set '{}': expected images [N, C, H, W] and labels [N], got {} and {}", dataset.name,
                    images.shape(), labels.shape());
  check<ValueError>(std::isfinite(dataset.mean) && std::isfinite(dataset.std) && dataset.std > 0,
                    "data set '{}': expected a finite mean and a positive standard deviation, got {} and {}",
                    dataset.name, dataset.mean, dataset.std);
  const auto classes = static_cast<std::int64_t>(dataset.class_names.size());
  const std::int64_t* values = labels.data<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    check<IndexError>(values[i] >= 0 && (classes == 0 || values[i] < classes),
                      "data set '{}': label {} of sample {} is outside its {} classes", dataset.name,
                      values[i], i, classes);
  }
}

void check_dataset(const TensorDataset& dataset) {
  const Tensor& inputs = dataset.inputs;
  const Tensor& labels = dataset.labels;
  check<ValueError>(inputs.defined() && labels.defined(),
                    "TensorDataset: inputs and labels must both be given");
  check<DeviceError>(inputs.device().is_cpu() && labels.device().is_cpu(),
                     "TensorDataset: expected inputs and labels on the CPU, got {} and {}", inputs.device(),
                     labels.device());
  check<ShapeError>(inputs.dim() >= 1 && labels.dim() >= 1 && inputs.size(0) == labels.size(0),
                    "TensorDataset: expected inputs [N, …] and labels [N, …] with the same N, got {} and {}",
                    inputs.shape(), labels.shape());
}

}  // namespace gnn
