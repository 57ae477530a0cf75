// LeNet on MNIST with the CUDA code, on whatever stands in for the device: a GPU, the emulated runtime or a
// simulator. As much of MNIST as those get through in a minute.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "gnn/gnn.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

constexpr std::int64_t train_images = 6000;
constexpr std::int64_t batch_size = 16;

ImageDataset first(const ImageDataset& data, std::int64_t count) {
  ImageDataset part = data;
  part.images = data.images.alias({count, 1, 28, 28}, 0);
  part.labels = data.labels.alias({count}, 0);
  return part;
}

LeNet seeded_lenet() {
  manual_seed(1);
  return LeNet();
}

struct LeNetRun {
  LeNetRun(const ImageDataset& data, Device device, DType dtype = DType::float32)
      : loader(data, {.batch_size = batch_size, .shuffle = true, .seed = 1, .device = device}) {
    model.to(device);
    model.to(dtype);
  }

  double step(const Batch& batch) {
    optimizer.zero_grad();
    const Tensor inputs = to(batch.inputs, model.parameters()[0].dtype());
    const Tensor loss = cross_entropy(model(inputs), batch.labels);
    loss.backward();
    optimizer.step();
    schedule.step();
    return loss.item();
  }

  LeNet model = seeded_lenet();
  DataLoader loader;
  SGD optimizer{model.parameters(), {.lr = 0.015, .momentum = 0.9, .weight_decay = 5e-4}};
  CosineLR schedule{optimizer, loader.batches()};
};

/// Expects the same losses of the first steps on the device and on the CPU.
void follow_the_cpu(const ImageDataset& train, Device device, DType dtype, int steps, double tolerance) {
  LeNetRun here(train, device, dtype);
  LeNetRun cpu(train, Device::cpu(), dtype);
  auto batch = here.loader.begin();
  int i = 0;
  for (const Batch& cpu_batch : cpu.loader) {
    const double loss = cpu.step(cpu_batch);
    EXPECT_NEAR(here.step(*batch), loss, tolerance * (1 + loss)) << name_of(dtype) << ", step " << i;
    if (++i == steps) break;
    ++batch;
  }
}

TEST(LeNetOnCuda, LearnsMnistAndFollowsTheCpu) {
  const std::vector<Device> devices = test_devices();
  const auto device = std::find_if(devices.begin(), devices.end(), [](Device d) { return d.is_cuda(); });
  if (device == devices.end()) GTEST_SKIP() << "no CUDA device: " << cuda::unavailable_reason();
  if (find_dataset("mnist").empty()) {
    ASSERT_EQ(std::getenv("CI"), nullptr)
        << "CI is set, and MNIST is in neither $GNN_DATA_DIR/mnist nor the cache";
    GTEST_SKIP() << "MNIST is not on this machine; ./dev data mnist gets it";
  }
  const bool guards = set_guard_bands(false);  // of every step's memory they would be most of the traffic
  const ImageDatasets data = load_mnist();
  const ImageDataset train = first(data.train, train_images);

  // The same operations in another order of summation: they differ by about 1e-15, or 1e-6, where all is
  // well, and a wrong gradient by far more. In float32 a near tie of max pooling, the first at step 13, goes
  // one way or the other.
  follow_the_cpu(train, *device, DType::float64, 20, 1e-12);
  follow_the_cpu(train, *device, DType::float32, 10, 1e-5);

  LeNetRun here(train, *device);
  for (const Batch& batch : here.loader) here.step(batch);

  DataLoader test(data.test, {.batch_size = 1000, .device = *device});
  const Evaluation result = Trainer(here.model, here.optimizer).evaluate(test);
  EXPECT_EQ(result.samples, 10000);
  EXPECT_GE(result.accuracy, 0.95);  // 0.962
  set_guard_bands(guards);
}

}  // namespace
}  // namespace gnn::testing
