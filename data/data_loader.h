#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "gnn/core/tensor.h"
#include "gnn/data/dataset.h"

namespace gnn {

/// Some samples of a data set, on the loader's device.
struct Batch {
  Tensor inputs;                      ///< [size, …]
  Tensor labels;                      ///< [size, …]
  std::vector<std::int64_t> indices;  ///< the samples' numbers in the data set
  std::int64_t size = 0;
};

struct DataLoaderOptions {
  std::int64_t batch_size = 64;
  /// A new order every epoch, which depends on `seed` and the epoch's number alone.
  bool shuffle = false;
  std::uint64_t seed = 0;
  /// Leaves out the last batch of an epoch when it is smaller than the others.
  bool drop_last = false;
  Device device = Device::cpu();
  /// Batches that a thread of the loader prepares ahead; 0: they are prepared when asked for. Without effect
  /// on a data set that is kept on the device.
  int prefetch = 2;
  /// On CUDA: keep a whole ImageDataset in device memory, where batches are gathered and normalised without
  /// the host. Where it does not fit, and for other data sets, batches are sent through pinned memory.
  bool keep_on_device = true;
};

/// Cuts a data set into batches, epoch by epoch:
///
///   gnn::DataLoader loader(data.train, {.batch_size = 64, .shuffle = true, .seed = 1});
///   for (int epoch = 0; epoch < 10; ++epoch) {
///     for (const gnn::Batch& batch : loader) step(batch.inputs, batch.labels);
///   }
///
/// Every begin() starts the next epoch; leaving a loop early is fine, and so is keeping a batch or its
/// tensors: their memory is used again only when nobody else holds it, so that a steady-state loop allocates
/// nothing. There is one loop at a time. Whatever goes wrong while a batch is prepared is thrown by the loop
/// that asks for it, after the batches before it.
class GNN_API DataLoader {
 public:
  class Iterator;

  /// Images become float32 (pixel / 255 - mean) / std. All constructors throw ValueError (batch size below 1,
  /// negative prefetch), DeviceError, and what check_dataset throws. The tensors are shared, not copied.
  explicit DataLoader(ImageDataset dataset, const DataLoaderOptions& options = {});
  explicit DataLoader(TensorDataset dataset, const DataLoaderOptions& options = {});
  explicit DataLoader(std::shared_ptr<Dataset> dataset, const DataLoaderOptions& options = {});
  ~DataLoader();
  DataLoader(DataLoader&&) noexcept;
  DataLoader& operator=(DataLoader&&) noexcept;

  /// Batches per epoch.
  std::int64_t batches() const;
  /// Samples per epoch: all of the data set, unless drop_last leaves some out.
  std::int64_t samples() const;
  const DataLoaderOptions& options() const;

  /// The number of the epoch that the next begin() starts, from 0.
  std::int64_t next_epoch() const;
  /// Goes on with another epoch: the order of its samples is that of the epoch with this number.
  void set_next_epoch(std::int64_t epoch);

  /// Starts the next epoch.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// An input iterator over the batches of one epoch. A batch is made when it is first asked for, and valid
/// until the iterator moves on; copies of it, or of its tensors, stay. Both throw ValueError when another
/// loop over the same loader has begun.
///
/// A captured step may ask for a batch and move on, where the data set is kept on the device: its replays
/// gather the next batches of the loop. Otherwise asking throws CaptureError.
class GNN_API DataLoader::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using pointer = const Batch*;
  using reference = const Batch&;

  const Batch& operator*() const;
  const Batch* operator->() const { return &**this; }
  Iterator& operator++();
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const;

 private:
  friend class DataLoader;
  Iterator(Impl* loader, std::uint64_t loop) : loader_(loader), loop_(loop) {}

  Impl* loader_;
  std::uint64_t loop_;
};

}  // namespace gnn
