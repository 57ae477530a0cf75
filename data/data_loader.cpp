#include "gnn/data/data_loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/core/generator.h"
#include "gnn/data/memory_source.h"

namespace gnn {
namespace {

Shape batch_shape(std::int64_t batch, const Shape& sample) {
  std::vector<std::int64_t> sizes{batch};
  sizes.insert(sizes.end(), sample.begin(), sample.end());
  return Shape(sizes);
}

}  // namespace

// A data set that lives on the CUDA device needs no thread: gathering a batch is two launches.
//
// Otherwise, batch k of a loop is prepared in slot k % slots. In threaded mode, the counters below say which
// batches are where: the loop holds batch `released_`, the thread has prepared those before `prepared_` and
// may go on while it stays less than slots_.size() ahead.
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
      auto images = std::dynamic_pointer_cast<ImageSource>(dataset_);
      if (images != nullptr && options.keep_on_device && images->upload(options.device)) resident_ = images;
    }
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    if (thread_.joinable()) thread_.join();
    for (Slot& slot : slots_) {
      try {
        if (slot.copied) slot.copied->synchronize();  // pinned memory must outlive the copies from it
      } catch (const Error&) {                        // a device that failed copies nothing any more
      }
    }
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
    if (options_.shuffle) device_order_ = {};
    ++next_epoch;
    position_ = 0;
    prepared_ = 0;
    released_ = 0;
    error_ = nullptr;
    active_ = true;
    if (threaded() && !thread_.joinable()) thread_ = std::thread([this] { prepare_ahead(); });
    work_.notify_all();
    return ++loop_;
  }

  /// The present batch of loop `loop`.
  const Batch& batch(std::uint64_t loop) {
    check_loop(loop);
    if (!batch_.inputs.defined()) {
      check<ValueError>(position_ < batches_, "DataLoader: this loop has come to its end");
      try {
        hand_out();
      } catch (const CaptureError&) {
        throw;  // the batch is asked for again, outside of the captured step
      } catch (...) {
        position_ = batches_;  // this loop is over
        throw;
      }
    }
    return batch_;
  }

  void advance(std::uint64_t loop) {
    check_loop(loop);
    give_back();
    if (position_ < batches_) ++position_;
  }

  bool at_end(std::uint64_t loop) const { return loop == loop_ && position_ >= batches_; }

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

  // The indices of a captured step's batch.
  class Input final : public StepInput {
   public:
    Input(Impl& loader, std::int64_t size) : loader_(loader), position_(loader.position_), size_(size) {}

    bool fits() const override { return !loader_.batch_.inputs.defined() && foreseen() > 0; }
    std::int64_t foreseen() const override {  // batches of that size in a row
      const std::int64_t full = loader_.samples_ / loader_.options_.batch_size;
      if (size_ == loader_.options_.batch_size) return full - loader_.position_;
      return loader_.position_ == full && full < loader_.batches_ ? 1 : 0;
    }
    void write(std::int64_t ahead, std::span<std::uint64_t> words) const override {
      const std::span<const std::int64_t> indices = loader_.indices_of(loader_.position_ + ahead);
      std::ranges::transform(indices, words.begin(),
                             [](std::int64_t index) { return static_cast<std::uint64_t>(index); });
    }
    void advance() override { ++loader_.position_; }
    void undo() override {
      loader_.give_back();
      loader_.position_ = position_;
    }

   private:
    Impl& loader_;
    std::int64_t position_;  // of the recording
    std::int64_t size_;
  };

  void check_loop(std::uint64_t loop) const {
    check<ValueError>(
        loop == loop_,
        "DataLoader: another loop over this loader has begun; a loader runs one loop at a time");
  }

  // The present batch's indices on the device.
  Tensor device_indices() {
    if (Capture* capture = Capture::current()) {
      check<CaptureError>(capture->find(this) == nullptr, "DataLoader: a captured step takes one batch");
      return capture->find_or_add<Input>(this, batch_.size, *this, batch_.size).values();
    }
    // All of an epoch at once, for a loop that is not captured.
    if (!device_order_)
      device_order_ = from_values(order_, {static_cast<std::int64_t>(order_.size())}, options_.device);
    return device_order_.alias({batch_.size}, position_ * options_.batch_size);
  }

  bool threaded() const { return options_.prefetch > 0 && resident_ == nullptr; }

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

  // Makes batch_ the one at position_.
  void hand_out() {
    check<CaptureError>(
        resident_ != nullptr || Capture::current() == nullptr,
        "DataLoader: batches that are filled on the host cannot be part of a captured step; an "
        "ImageDataset is kept on the device where it fits there (keep_on_device)");
    const std::span<const std::int64_t> indices = indices_of(position_);
    batch_.size = static_cast<std::int64_t>(indices.size());
    batch_.indices.assign(indices.begin(), indices.end());
    const Shape inputs = input_shape_.with(0, batch_.size);
    const Shape labels = label_shape_.with(0, batch_.size);
    if (resident_ != nullptr) {
      const Tensor order = device_indices();
      Tensor images = empty(inputs, {dataset_->input_dtype(), options_.device});
      batch_.labels = empty(labels, {dataset_->label_dtype(), options_.device});
      resident_->gather(order, images, batch_.labels);
      batch_.inputs = images;
      return;
    }
    Slot& slot = slots_[static_cast<std::size_t>(position_) % slots_.size()];
    if (threaded()) {
      wait_for(position_);
    } else {
      prepare(slot, position_);
    }
    batch_.inputs = slot.inputs.alias(inputs);
    batch_.labels = slot.labels.alias(labels);
    if (options_.device.is_cuda()) {
      batch_.inputs = on_device(batch_.inputs, options_.device);
      batch_.labels = on_device(batch_.labels, options_.device);
      slot.copied->record(Stream::current(options_.device));
    }
    held_ = &slot;
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
  std::shared_ptr<const ImageSource> resident_;  // dataset_, when it is on the CUDA device
  Shape input_shape_;                            // of a full batch
  Shape label_shape_;

  // The loop's side.
  std::vector<std::int64_t> order_;  // read by the thread while active_
  Tensor device_order_;              // order_ beside the data set, when it was needed
  std::uint64_t loop_ = 0;
  std::int64_t position_ = 0;
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

DataLoader::DataLoader(ImageDataset dataset, const DataLoaderOptions& options)
    : DataLoader(std::make_shared<ImageSource>(std::move(dataset)), options) {}
DataLoader::DataLoader(TensorDataset dataset, const DataLoaderOptions& options)
    : DataLoader(std::make_shared<TensorSource>(std::move(dataset)), options) {}
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

const Batch& DataLoader::Iterator::operator*() const {
  return loader_->batch(loop_);
}

DataLoader::Iterator& DataLoader::Iterator::operator++() {
  loader_->advance(loop_);
  return *this;
}

bool DataLoader::Iterator::operator==(std::default_sentinel_t) const {
  return loader_->at_end(loop_);
}

}  // namespace gnn
