#include "gnn/data/data_loader.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "gnn/core/check.h"
#include "gnn/core/generator.h"

namespace gnn {
namespace {

Shape sample_shape(const Tensor& tensor) {
  return Shape(std::span<const std::int64_t>(tensor.shape().begin() + 1, tensor.shape().end()));
}

Shape batch_shape(std::int64_t batch, const Shape& sample) {
  std::vector<std::int64_t> sizes{batch};
  sizes.insert(sizes.end(), sample.begin(), sample.end());
  return Shape(sizes);
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

class TensorSource : public Dataset {
 public:
  explicit TensorSource(TensorDataset data) : data_(std::move(data)) {}

  std::int64_t size() const override { return data_.inputs.size(0); }
  Shape input_shape() const override { return sample_shape(data_.inputs); }
  DType input_dtype() const override { return data_.inputs.dtype(); }
  Shape label_shape() const override { return sample_shape(data_.labels); }
  DType label_dtype() const override { return data_.labels.dtype(); }
  void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) override {
    gather_rows(data_.inputs, indices, inputs);
    gather_rows(data_.labels, indices, labels);
  }

 private:
  TensorDataset data_;
};

class ImageSource : public Dataset {
 public:
  explicit ImageSource(ImageDataset data) : data_(std::move(data)) {
    for (std::size_t pixel = 0; pixel < normalised_.size(); ++pixel) {
      normalised_[pixel] = static_cast<float>((static_cast<double>(pixel) / 255 - data_.mean) / data_.std);
    }
  }

  std::int64_t size() const override { return data_.images.size(0); }
  Shape input_shape() const override { return sample_shape(data_.images); }
  // Runs on the prefetch thread beside a training step that has all cores: a plain loop, 20 µs for 64 digits,
  // disturbs it less than a second team of OpenMP threads would.
  void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) override {
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

 private:
  ImageDataset data_;
  std::array<float, 256> normalised_{};
};

}  // namespace

// Batch k of a loop is prepared in slot k % slots. In threaded mode, the counters below say which batches are
// where: the loop holds batch `released_`, the thread has prepared those before `prepared_` and may go on
// while it stays less than slots_.size() ahead.
class DataLoader::Impl {
 public:
  Impl(std::shared_ptr<Dataset> dataset, const DataLoaderOptions& options)
      : dataset_(std::move(dataset)), options_(options) {
    check<ValueError>(dataset_ != nullptr, "DataLoader: the data set must be given");
    check<ValueError>(options.batch_size >= 1, "DataLoader: expected a batch_size of at least 1, got {}",
                      options.batch_size);
    check<ValueError>(options.prefetch >= 0 && options.prefetch <= 1024,
                      "DataLoader: expected a prefetch from 0 to 1024 batches, got {}", options.prefetch);
    const std::int64_t size = dataset_->size();
    samples_ = options.drop_last ? size - size % options.batch_size : size;
    batches_ = samples_ / options.batch_size + (samples_ % options.batch_size != 0 ? 1 : 0);
    const std::int64_t largest = std::min(options.batch_size, samples_);
    input_shape_ = batch_shape(largest, dataset_->input_shape());
    label_shape_ = batch_shape(largest, dataset_->label_shape());
    // One more than are ahead: the one that the loop holds.
    slots_ = std::vector<Slot>(static_cast<std::size_t>(options.prefetch) + 1);
    if (options.device.is_cuda()) {
      for (Slot& slot : slots_) slot.copied.emplace(options.device);  // also checks the device
    }
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  /// Starts the next epoch; returns the number of its loop.
  std::uint64_t start() {
    std::unique_lock lock(mutex_);
    active_ = false;
    ready_.wait(lock, [this] { return !filling_; });
    give_back();
    if (options_.shuffle) {
      order_ = permutation(dataset_->size(), options_.seed, static_cast<std::uint64_t>(next_epoch));
    } else if (order_.empty()) {
      order_.resize(static_cast<std::size_t>(dataset_->size()));
      std::iota(order_.begin(), order_.end(), std::int64_t{0});
    }
    ++next_epoch;
    position_ = -1;
    prepared_ = 0;
    released_ = 0;
    error_ = nullptr;
    active_ = true;
    if (options_.prefetch > 0 && !thread_.joinable()) thread_ = std::thread([this] { prepare_ahead(); });
    work_.notify_all();
    return ++loop_;
  }

  /// The next batch of loop `loop`, nullptr at its end.
  const Batch* advance(std::uint64_t loop) {
    check<ValueError>(
        loop == loop_,
        "DataLoader: another loop over this loader has begun; a loader runs one loop at a time");
    give_back();
    if (position_ + 1 >= batches_) return nullptr;
    ++position_;
    Slot& slot = slots_[static_cast<std::size_t>(position_) % slots_.size()];
    try {
      if (options_.prefetch == 0) {
        prepare(slot, position_);
      } else {
        wait_for(position_);
      }
      hand_out(slot);
    } catch (...) {
      position_ = batches_;  // this loop is over
      throw;
    }
    return &batch_;
  }

  const DataLoaderOptions& options() const { return options_; }
  std::int64_t batches() const { return batches_; }
  std::int64_t samples() const { return samples_; }

  std::int64_t next_epoch = 0;

 private:
  struct Slot {
    Tensor inputs;  // [largest batch, …] on the host; batches are views of it
    Tensor labels;
    std::optional<Event> copied;  // to the CUDA device
  };

  std::span<const std::int64_t> indices_of(std::int64_t batch) const {
    const std::int64_t begin = batch * options_.batch_size;
    const std::int64_t end = std::min(begin + options_.batch_size, samples_);
    return std::span(order_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }

  Tensor host_tensor(const Shape& shape, DType dtype) const {
    return options_.device.is_cpu() ? empty(shape, {.dtype = dtype}) : empty_pinned(shape, dtype);
  }

  void prepare(Slot& slot, std::int64_t batch) {
    if (slot.copied) slot.copied->synchronize();
    if (!slot.inputs) slot.inputs = host_tensor(input_shape_, dataset_->input_dtype());
    if (!slot.labels) slot.labels = host_tensor(label_shape_, dataset_->label_dtype());
    const std::span<const std::int64_t> indices = indices_of(batch);
    const auto size = static_cast<std::int64_t>(indices.size());
    Tensor inputs = slot.inputs.alias(input_shape_.with(0, size));
    Tensor labels = slot.labels.alias(label_shape_.with(0, size));
    dataset_->fill(indices, inputs, labels);
  }

  // Lets the thread have the slots before `batch` and waits until that is prepared.
  void wait_for(std::int64_t batch) {
    std::unique_lock lock(mutex_);
    released_ = batch;
    work_.notify_all();
    ready_.wait(lock, [&] { return prepared_ > batch || error_ != nullptr; });
    if (prepared_ <= batch) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  void prepare_ahead() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [this] {
        return stop_ || (active_ && prepared_ < batches_ &&
                         prepared_ < released_ + static_cast<std::int64_t>(slots_.size()));
      });
      if (stop_) return;
      filling_ = true;
      const std::int64_t batch = prepared_;
      lock.unlock();
      std::exception_ptr error;
      try {
        prepare(slots_[static_cast<std::size_t>(batch) % slots_.size()], batch);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      filling_ = false;
      if (error != nullptr) {
        error_ = error;
        active_ = false;
      } else {
        ++prepared_;
      }
      ready_.notify_all();
    }
  }

  void hand_out(Slot& slot) {
    const std::span<const std::int64_t> indices = indices_of(position_);
    batch_.size = static_cast<std::int64_t>(indices.size());
    batch_.indices.assign(indices.begin(), indices.end());
    batch_.inputs = slot.inputs.alias(input_shape_.with(0, batch_.size));
    batch_.labels = slot.labels.alias(label_shape_.with(0, batch_.size));
    if (options_.device.is_cuda()) {
      batch_.inputs = on_device(batch_.inputs);
      batch_.labels = on_device(batch_.labels);
      slot.copied->record(Stream::current(options_.device));
    }
    held_ = &slot;
  }

  Tensor on_device(const Tensor& host) const {
    Tensor copy = empty(host.shape(), {host.dtype(), options_.device});
    copy.copy_from(host);
    return copy;
  }

  // Takes the loop's batch back. Memory that somebody kept is left to them, and the slot gets new one.
  void give_back() {
    batch_.inputs = {};
    batch_.labels = {};
    if (held_ != nullptr && options_.device.is_cpu()) {
      if (!held_->inputs.owns_memory_alone()) held_->inputs = {};
      if (!held_->labels.owns_memory_alone()) held_->labels = {};
    }
    held_ = nullptr;
  }

  std::shared_ptr<Dataset> dataset_;
  DataLoaderOptions options_;
  std::int64_t samples_ = 0;
  std::int64_t batches_ = 0;
  Shape input_shape_;  // of a full batch
  Shape label_shape_;

  // The loop's side.
  std::vector<std::int64_t> order_;  // read by the thread while active_
  std::uint64_t loop_ = 0;
  std::int64_t position_ = -1;
  Batch batch_;
  Slot* held_ = nullptr;

  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable work_;   // for the thread: there may be something to prepare
  std::condition_variable ready_;  // for the loop: a batch is prepared, or the thread came to a halt
  bool active_ = false;
  bool stop_ = false;
  bool filling_ = false;
  std::int64_t prepared_ = 0;
  std::int64_t released_ = 0;
  std::exception_ptr error_;
  std::thread thread_;
};

namespace {

template <class Source, class Data>
std::shared_ptr<Dataset> checked_source(Data data) {
  check_dataset(data);
  return std::make_shared<Source>(std::move(data));
}

}  // namespace

DataLoader::DataLoader(ImageDataset dataset, const DataLoaderOptions& options)
    : DataLoader(checked_source<ImageSource>(std::move(dataset)), options) {}
DataLoader::DataLoader(TensorDataset dataset, const DataLoaderOptions& options)
    : DataLoader(checked_source<TensorSource>(std::move(dataset)), options) {}
DataLoader::DataLoader(std::shared_ptr<Dataset> dataset, const DataLoaderOptions& options)
    : impl_(std::make_unique<Impl>(std::move(dataset), options)) {}
DataLoader::~DataLoader() = default;
DataLoader::DataLoader(DataLoader&&) noexcept = default;
DataLoader& DataLoader::operator=(DataLoader&&) noexcept = default;

std::int64_t DataLoader::batches() const {
  return impl_->batches();
}
std::int64_t DataLoader::samples() const {
  return impl_->samples();
}
const DataLoaderOptions& DataLoader::options() const {
  return impl_->options();
}
std::int64_t DataLoader::next_epoch() const {
  return impl_->next_epoch;
}

void DataLoader::set_next_epoch(std::int64_t epoch) {
  check<ValueError>(epoch >= 0, "DataLoader::set_next_epoch: expected an epoch >= 0, got {}", epoch);
  impl_->next_epoch = epoch;
}

DataLoader::Iterator DataLoader::begin() {
  return {impl_.get(), impl_->start()};
}

DataLoader::Iterator& DataLoader::Iterator::operator++() {
  batch_ = loader_->advance(loop_);
  return *this;
}

}  // namespace gnn
