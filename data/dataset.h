#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

/// Labelled images, whole in CPU memory.
struct ImageDataset {
  std::string name;                      ///< for people: "MNIST", "Fashion-MNIST", a file's name
  Tensor images;                         ///< uint8 [N, C, H, W]
  Tensor labels;                         ///< int64 [N]
  std::vector<std::string> class_names;  ///< one per class
  /// Pixels, scaled to [0, 1], become (pixel - mean) / std when a DataLoader batches them.
  double mean = 0;
  double std = 1;

  /// Number of samples.
  std::int64_t size() const { return images.defined() ? images.size(0) : 0; }
};

/// Any inputs and targets, whole in CPU memory: sample i is inputs[i] with labels[i]. Any dtypes and shapes.
struct TensorDataset {
  Tensor inputs;  ///< [N, …]
  Tensor labels;  ///< [N, …]
};

/// A source of samples for a DataLoader: derive from it for data that is read or changed on the fly.
class GNN_API Dataset {
 public:
  Dataset() = default;
  virtual ~Dataset();
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  /// Number of samples, fixed.
  virtual std::int64_t size() const = 0;
  /// Shape and dtype of one sample's input, without the batch's dimension; fixed.
  virtual Shape input_shape() const = 0;
  virtual DType input_dtype() const { return DType::float32; }
  /// The same of its label: by default a class's number.
  virtual Shape label_shape() const { return {}; }
  virtual DType label_dtype() const { return DType::int64; }
  /// Writes the samples with these numbers (all in range), in order, into `inputs` [B, input_shape…] and
  /// `labels` [B, label_shape…], which are on the CPU. A DataLoader with prefetch > 0 calls it on its own
  /// thread, never twice at a time; what it throws reaches the loop over the batches.
  virtual void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) = 0;
};

/// The samples of a data set in memory, as a DataLoader takes them: those of a TensorDataset as they are,
/// images as float32 (pixel / 255 - mean) / std. Throws what check_dataset throws. The tensors are shared,
/// not copied.
GNN_API std::shared_ptr<Dataset> make_dataset(ImageDataset dataset);
GNN_API std::shared_ptr<Dataset> make_dataset(TensorDataset dataset);

/// The samples with these numbers, in this order, copied. Throws IndexError, and what check_dataset throws.
GNN_API ImageDataset subset(const ImageDataset& dataset, std::span<const std::int64_t> indices);
GNN_API TensorDataset subset(const TensorDataset& dataset, std::span<const std::int64_t> indices);

/// Mean and (population) standard deviation of all pixels, scaled to [0, 1]; exact to rounding. `images` is a
/// uint8 tensor on the CPU. Without pixels, or where all are equal, std is 1.
struct PixelStatistics {
  double mean = 0;
  double std = 1;
};
GNN_API PixelStatistics pixel_statistics(const Tensor& images);

/// Throws ShapeError, DTypeError, DeviceError, ValueError (std) or IndexError (a label without a class) for a
/// data set whose parts do not fit together.
GNN_API void check_dataset(const ImageDataset& dataset);
GNN_API void check_dataset(const TensorDataset& dataset);

}  // namespace gnn
