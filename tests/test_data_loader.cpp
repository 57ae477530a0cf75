#include "gnn/data/data_loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

#include "gnn/core/allocator.h"
#include "gnn/core/generator.h"
#include "gnn/kernels/gather_batch.h"
#include "gnn/kernels/run.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

using Indices = std::vector<std::int64_t>;

// `count` images of 1 x 2 x 3; image i has the pixels i, i + 1 …, label i % 10.
ImageDataset images(std::int64_t count) {
  std::vector<std::uint8_t> pixels;
  Indices labels;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t p = 0; p < 6; ++p) pixels.push_back(static_cast<std::uint8_t>((i + p) % 256));
    labels.push_back(i % 10);
  }
  return {"test",
          from_values(pixels, {count, 1, 2, 3}),
          from_values(labels, {count}),
          std::vector<std::string>(10, "class"),
          0.25,
          0.5};
}

// What a batch of images(…) must hold, from the definition.
void expect_right(const Batch& batch, Device device) {
  EXPECT_EQ(batch.inputs.shape(), Shape({batch.size, 1, 2, 3}));
  EXPECT_EQ(batch.inputs.dtype(), DType::float32);
  EXPECT_EQ(batch.inputs.device(), device);
  EXPECT_EQ(batch.labels.device(), device);
  EXPECT_EQ(batch.indices.size(), static_cast<std::size_t>(batch.size));
  const std::vector<float> inputs = batch.inputs.to_vector<float>();
  const Indices labels = batch.labels.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < batch.indices.size(); ++i) {
    EXPECT_EQ(labels[i], batch.indices[i] % 10);
    for (std::size_t p = 0; p < 6; ++p) {
      const double pixel = static_cast<double>((batch.indices[i] + static_cast<std::int64_t>(p)) % 256);
      // Values stay below 2; a float is within 2^-24 of itself, the kernel may round three times.
      EXPECT_NEAR(inputs[i * 6 + p], (pixel / 255 - 0.25) / 0.5, 3 * 1.2e-7);
    }
  }
}

Indices counting(std::int64_t count) {
  Indices numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  return numbers;
}

// The inputs of one epoch, in the data set's order.
std::vector<float> all_inputs(DataLoader& loader) {
  std::vector<float> inputs;
  for (const Batch& batch : loader) {
    const std::vector<float> some = batch.inputs.to_vector<float>();
    inputs.insert(inputs.end(), some.begin(), some.end());
  }
  return inputs;
}

Indices one_epoch(DataLoader& loader) {
  Indices seen;
  for (const Batch& batch : loader) seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
  return seen;
}

static_assert(std::input_iterator<DataLoader::Iterator>);
static_assert(std::sentinel_for<std::default_sentinel_t, DataLoader::Iterator>);

TEST(DataLoader, BatchesHoldTheNormalisedSamples) {
  for (const Device device : test_devices()) {
    for (const int prefetch : {0, 1, 2, 5}) {
      for (const bool keep : {true, false}) {
        DataLoader loader(images(33),
                          {.batch_size = 8, .device = device, .prefetch = prefetch, .keep_on_device = keep});
        EXPECT_EQ(loader.batches(), 5);
        EXPECT_EQ(loader.samples(), 33);
        for (int epoch = 0; epoch < 2; ++epoch) {
          Indices sizes;
          Indices seen;
          for (const Batch& batch : loader) {
            expect_right(batch, device);
            sizes.push_back(batch.size);
            seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
          }
          EXPECT_EQ(sizes, (Indices{8, 8, 8, 8, 1}));
          EXPECT_EQ(seen, counting(33));
        }
      }
    }
  }
}

TEST(DataLoader, EveryPathGivesTheSameBits) {
  ImageDataset data = images(300);
  data.mean = 0.1307;
  data.std = 0.3081;
  DataLoader reference(data, {.prefetch = 0});
  const std::vector<float> want = all_inputs(reference);
  Tensor gathered = empty({300, 1, 2, 3});
  Tensor no_labels;
  kernels::run<kernels::GatherBatch>(data.images, Tensor(), from_values(counting(300), {300}),
                                     1 / (255 * data.std), -data.mean / data.std, gathered, no_labels);
  EXPECT_EQ(gathered.to_vector<float>(), want);
  for (const Device device : test_devices()) {
    for (const bool keep : {true, false}) {
      DataLoader loader(data, {.device = device, .keep_on_device = keep});
      EXPECT_EQ(all_inputs(loader), want);
    }
  }
}

TEST(DataLoader, ADatasetInMemoryGivesSingleSamples) {
  const ImageDataset all = images(20);
  const std::shared_ptr<Dataset> samples = make_dataset(all);
  EXPECT_EQ(samples->size(), 20);
  Batch batch{.inputs = empty({2, 1, 2, 3}),
              .labels = empty({2}, {.dtype = DType::int64}),
              .indices = {7, 3},
              .size = 2};
  samples->fill(batch.indices, batch.inputs, batch.labels);
  expect_right(batch, Device::cpu());
}

TEST(DataLoader, SubsetsHaveTheChosenSamples) {
  const Indices chosen{3, 17, 3};
  const ImageDataset all = images(20);
  const ImageDataset some = subset(all, chosen);
  EXPECT_EQ(some.labels.to_vector<std::int64_t>(), (Indices{3, 7, 3}));
  EXPECT_EQ(some.images.shape(), Shape({3, 1, 2, 3}));
  EXPECT_EQ(some.images.to_vector<std::uint8_t>()[6], 17);
  EXPECT_EQ(some.mean, all.mean);
  EXPECT_EQ(some.std, all.std);
  EXPECT_EQ(some.class_names, all.class_names);
  const TensorDataset pairs = subset(TensorDataset{all.images, all.labels}, chosen);
  EXPECT_EQ(pairs.inputs.to_vector<std::uint8_t>(), some.images.to_vector<std::uint8_t>());
  EXPECT_EQ(pairs.labels.to_vector<std::int64_t>(), some.labels.to_vector<std::int64_t>());
  EXPECT_EQ(subset(all, {}).size(), 0);
  for (const std::int64_t outside : {-1, 20}) EXPECT_THROW(subset(all, Indices{outside}), IndexError);
}

TEST(DataLoader, EdgeSizes) {
  for (const int prefetch : {0, 2}) {
    const auto sizes = [&](std::int64_t samples, std::int64_t batch, bool drop) {
      DataLoader loader(images(samples), {.batch_size = batch, .drop_last = drop, .prefetch = prefetch});
      Indices found;
      for (const Batch& one : loader) found.push_back(one.size);
      EXPECT_EQ(loader.batches(), static_cast<std::int64_t>(found.size()));
      EXPECT_EQ(loader.samples(), std::accumulate(found.begin(), found.end(), std::int64_t{0}));
      return found;
    };
    EXPECT_EQ(sizes(0, 4, false), Indices{});
    EXPECT_EQ(sizes(1, 1, false), Indices{1});
    EXPECT_EQ(sizes(3, 4, false), Indices{3});
    EXPECT_EQ(sizes(3, 4, true), Indices{});
    EXPECT_EQ(sizes(8, 4, true), (Indices{4, 4}));
    EXPECT_EQ(sizes(9, 4, true), (Indices{4, 4}));
    EXPECT_EQ(sizes(5, std::numeric_limits<std::int64_t>::max(), false), Indices{5});
  }
}

TEST(DataLoader, OrderDependsOnSeedAndEpochAlone) {
  const auto loader_of = [](std::uint64_t seed, int prefetch, std::int64_t batch) {
    return DataLoader(images(200),
                      {.batch_size = batch, .shuffle = true, .seed = seed, .prefetch = prefetch});
  };
  DataLoader loader = loader_of(7, 2, 32);
  const Indices first = one_epoch(loader);
  const Indices second = one_epoch(loader);
  EXPECT_EQ(first, permutation(200, 7, 0));
  EXPECT_EQ(second, permutation(200, 7, 1));
  EXPECT_NE(first, second);
  Indices sorted = first;
  std::ranges::sort(sorted);
  EXPECT_EQ(sorted, counting(200));

  DataLoader again = loader_of(7, 0, 13);
  EXPECT_EQ(one_epoch(again), first);
  EXPECT_EQ(one_epoch(again), second);
  again.set_next_epoch(0);
  EXPECT_EQ(one_epoch(again), first);
  EXPECT_EQ(again.next_epoch(), 1);
  DataLoader other = loader_of(8, 2, 32);
  EXPECT_NE(one_epoch(other), first);
}

TEST(DataLoader, LeavingALoopEarlyIsFine) {
  for (const int prefetch : {0, 1, 3}) {
    DataLoader loader(images(100), {.batch_size = 3, .shuffle = true, .seed = 1, .prefetch = prefetch});
    for (std::int64_t stop = 0; stop < 30; stop += 3) {
      std::int64_t count = 0;
      for (const Batch& batch : loader) {
        expect_right(batch, Device::cpu());
        if (count++ == stop) break;
      }
    }
    EXPECT_EQ(one_epoch(loader), permutation(100, 1, 10));
    auto held = loader.begin();  // the loader is destroyed in the middle of an epoch
    EXPECT_EQ(held->size, 3);
  }
}

TEST(DataLoader, OneLoopAtATime) {
  DataLoader loader(images(10), {.batch_size = 2});
  auto outer = loader.begin();
  auto inner = loader.begin();
  EXPECT_EQ(inner->indices, (Indices{0, 1}));
  expect_error<ValueError>([&] { ++outer; }, {"another loop over this loader has begun"});
  ++inner;
  EXPECT_EQ(inner->indices, (Indices{2, 3}));
}

TEST(DataLoader, MovesWithItsThread) {
  DataLoader first(images(20), {.batch_size = 2, .prefetch = 2});
  EXPECT_EQ(one_epoch(first), counting(20));
  DataLoader second = std::move(first);
  EXPECT_EQ(one_epoch(second), counting(20));
}

TEST(DataLoader, KeptBatchesStayAsTheyWere) {
  for (const Device device : test_devices()) {
    for (const int prefetch : {0, 2}) {
      DataLoader loader(images(60),
                        {.batch_size = 4, .shuffle = true, .device = device, .prefetch = prefetch});
      std::vector<Batch> kept;
      std::vector<Tensor> inputs;
      for (const Batch& batch : loader) {
        kept.push_back(batch);
        inputs.push_back(batch.inputs);
      }
      one_epoch(loader);
      for (std::size_t i = 0; i < kept.size(); ++i) {
        expect_right(kept[i], device);
        EXPECT_TRUE(inputs[i].is_same(kept[i].inputs));
      }
    }
  }
}

TEST(DataLoader, SteadyStateAllocatesNothing) {
  for (const int prefetch : {0, 2}) {
    DataLoader loader(images(640), {.batch_size = 64, .shuffle = true, .prefetch = prefetch});
    one_epoch(loader);
    const std::int64_t before = memory_stats(Device::cpu()).allocations;
    for (int epoch = 0; epoch < 5; ++epoch) one_epoch(loader);
    EXPECT_EQ(memory_stats(Device::cpu()).allocations, before);
  }
}

TEST(DataLoader, TensorDatasetsKeepTheirDtypes) {
  const TensorDataset data{from_values<double>({1, 2, 3, 4, 5, 6}, {3, 2}),
                           from_values<float>({10, 20, 30}, {3, 1})};
  for (const Device device : test_devices()) {
    DataLoader loader(data, {.batch_size = 2, .device = device});
    std::vector<double> inputs;
    std::vector<float> labels;
    for (const Batch& batch : loader) {
      EXPECT_EQ(batch.inputs.shape(), Shape({batch.size, 2}));
      EXPECT_EQ(batch.labels.shape(), Shape({batch.size, 1}));
      for (const double value : batch.inputs.to_vector<double>()) inputs.push_back(value);
      for (const float value : batch.labels.to_vector<float>()) labels.push_back(value);
    }
    EXPECT_EQ(inputs, (std::vector<double>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(labels, (std::vector<float>{10, 20, 30}));
  }
}

// Sample i is the number i; batches that hold `bad` throw.
class Numbers : public Dataset {
 public:
  Numbers(std::int64_t count, std::int64_t bad) : count_(count), bad_(bad) {}
  std::int64_t size() const override { return count_; }
  Shape input_shape() const override { return {1}; }
  void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) override {
    EXPECT_EQ(running_++, 0) << "two calls at a time";
    ++calls;
    threads.insert(std::this_thread::get_id());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] == bad_) {
        --running_;
        throw std::runtime_error("sample " + std::to_string(bad_) + " is broken");
      }
      inputs.mutable_data<float>()[i] = static_cast<float>(indices[i]);
      labels.mutable_data<std::int64_t>()[i] = indices[i];
    }
    --running_;
  }

  std::atomic<int> calls = 0;
  std::set<std::thread::id> threads;  // look only when no loop runs

 private:
  std::int64_t count_;
  std::int64_t bad_;
  std::atomic<int> running_ = 0;
};

TEST(DataLoader, ErrorsOfThePrefetchThreadSurfaceInTheLoop) {
  for (const int prefetch : {0, 1, 4}) {
    DataLoader loader(std::make_shared<Numbers>(100, 37), {.batch_size = 5, .prefetch = prefetch});
    for (int epoch = 0; epoch < 3; ++epoch) {  // and again in the next epoch
      std::int64_t good = 0;
      expect_error<std::runtime_error>(
          [&] {
            for (const Batch& batch : loader) good += batch.size;
          },
          {"sample 37 is broken"});
      EXPECT_EQ(good, 35);  // all batches before it were delivered
    }
    auto over = loader.begin();
    for (int i = 0; i < 7; ++i) ++over;
    EXPECT_FALSE(over == loader.end());
    EXPECT_THROW(*over, std::runtime_error);
    EXPECT_TRUE(over == loader.end());  // after the error, the loop is over
    EXPECT_THROW(*over, ValueError);
  }
}

TEST(DataLoader, BatchesThatNobodyAsksForAreSkipped) {
  for (const int prefetch : {0, 1, 3}) {
    const auto numbers = std::make_shared<Numbers>(100, -1);
    DataLoader loader(numbers, {.batch_size = 5, .prefetch = prefetch});
    auto batch = loader.begin();
    for (int i = 0; i < 13; ++i) ++batch;
    EXPECT_EQ(batch->indices.front(), 65);
    EXPECT_EQ(batch->inputs.to_vector<float>().back(), 69);
    if (prefetch == 0) {
      EXPECT_EQ(numbers->calls, 1);
    }
  }
}

TEST(DataLoader, ErrorsNobodyAsksForAreDropped) {
  DataLoader loader(std::make_shared<Numbers>(10, 5), {.batch_size = 5, .prefetch = 2});
  const auto first = loader.begin();
  EXPECT_EQ(first->size, 5);
}

TEST(DataLoader, PrefetchesThatManyBatchesOnOneThread) {
  const auto numbers = std::make_shared<Numbers>(100, -1);
  {
    DataLoader loader(numbers, {.batch_size = 1, .prefetch = 3});
    const auto first = loader.begin();
    EXPECT_EQ(first->indices, Indices{0});
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (numbers->calls < 4 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(numbers->calls, 4);  // the one in the loop's hands, and three ahead
    EXPECT_EQ(one_epoch(loader), counting(100));
  }
  EXPECT_EQ(numbers->threads.size(), 1U);
  EXPECT_FALSE(numbers->threads.contains(std::this_thread::get_id()));
}

TEST(DataLoader, RefusesOptionsAndDataThatMakeNoSense) {
  expect_error<ValueError>([] { DataLoader(images(4), {.batch_size = 0}); },
                           {"batch_size of at least 1, got 0"});
  expect_error<ValueError>([] { DataLoader(images(4), {.batch_size = -3}); }, {"got -3"});
  expect_error<ValueError>([] { DataLoader(images(4), {.prefetch = -1}); }, {"prefetch", "got -1"});
  EXPECT_THROW(DataLoader(images(4)).set_next_epoch(-1), ValueError);
  EXPECT_THROW(DataLoader(std::shared_ptr<Dataset>()), ValueError);
  EXPECT_THROW((DataLoader(images(4), {.device = Device::cuda(99)})), DeviceError);

  ImageDataset data = images(4);
  data.labels = from_values<std::int64_t>({0, 1, 10, 3}, {4});
  expect_error<IndexError>([&] { DataLoader{data}; }, {"'test'", "label 10 of sample 2", "10 classes"});
  data.labels = from_values<std::int64_t>({0, 1, 2}, {3});
  expect_error<ShapeError>([&] { DataLoader{data}; }, {"[4, 1, 2, 3]", "[3]"});
  data.labels = from_values<std::int32_t>({0, 1, 2, 3}, {4});
  expect_error<DTypeError>([&] { DataLoader{data}; }, {"int64 labels", "int32"});
  data = images(4);
  data.std = 0;
  EXPECT_THROW(DataLoader{data}, ValueError);
  EXPECT_THROW(DataLoader{ImageDataset{}}, ValueError);
  EXPECT_THROW(DataLoader(TensorDataset{zeros({2, 3}), zeros({3})}), ShapeError);
  EXPECT_THROW(DataLoader(TensorDataset{zeros({}), zeros({})}), ShapeError);
}

}  // namespace
}  // namespace gnn::testing
