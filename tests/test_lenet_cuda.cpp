// LeNet on MNIST with the CUDA code, on whatever stands in for the device: a GPU, the emulated runtime or a
// simulator. As much of MNIST as those get through in a minute.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "gnn/gnn.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

constexpr std::int64_t train_images = 6000;
constexpr std::int64_t batch_size = 64;

ImageDataset first(const ImageDataset& data, std::int64_t count) {
  ImageDataset part = data;
  part.images = data.images.alias({count, 1, 28, 28}, 0);
  part.labels = data.labels.alias({count}, 0);
  return part;
}

struct LeNetRun {
  LeNetRun(const ImageDataset& data, Device device)
      : loader(data, {.batch_size = batch_size, .shuffle = true, .seed = 1, .device = device}) {
    manual_seed(1);
    model.to(device);
  }

  double step(const Batch& batch) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(model(batch.inputs), batch.labels);
    loss.backward();
    optimizer.step();
    return loss.item();
  }

  LeNet model;
  DataLoader loader;
  SGD optimizer{model.parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4}};
};

TEST(LeNetOnCuda, LearnsMnistAndFollowsTheCpu) {
  const std::vector<Device> devices = test_devices();
  const auto device = std::find_if(devices.begin(), devices.end(), [](Device d) { return d.is_cuda(); });
  if (device == devices.end()) GTEST_SKIP() << "no CUDA device: " << cuda::unavailable_reason();
  if (find_dataset("mnist").empty()) {
    ASSERT_EQ(std::getenv("CI"), nullptr)
        << "CI is set, and MNIST is in neither $GNN_DATA_DIR/mnist nor the cache";
    GTEST_SKIP() << "MNIST is not on this machine; ./dev data mnist gets it";
  }
  const ImageDatasets data = load_mnist();
  const ImageDataset train = first(data.train, train_images);

  LeNetRun here(train, *device);
  std::vector<double> losses;
  for (const Batch& batch : here.loader) losses.push_back(here.step(batch));

  LeNetRun cpu(train, Device::cpu());
  std::size_t i = 0;
  for (const Batch& batch : cpu.loader) {
    const double loss = cpu.step(batch);
    EXPECT_NEAR(losses[i], loss, 1e-5 * (1 + loss)) << "step " << i;
    std::printf("%zu %g %g\n", i, loss, losses[i] - loss);
    if (++i == 20) break;
  }

  DataLoader test(data.test, {.batch_size = 1000, .device = *device});
  const Evaluation result = Trainer(here.model, here.optimizer).evaluate(test);
  std::printf("%g\n", result.accuracy);
  EXPECT_EQ(result.samples, 10000);
  EXPECT_GE(result.accuracy, 0.95);
}

}  // namespace
}  // namespace gnn::testing
