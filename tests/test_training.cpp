// Whole training steps of a LeNet-shaped net: memory in the steady state, reproducibility, the two devices'
// agreement.

#include <gtest/gtest.h>

#include <vector>

#include "gnn/gnn.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

/// Small enough for a simulated device, with every kind of layer that LeNet has, dropout and an input that
/// needs padding.
Sequential small_net() {
  return Sequential(Conv2d(1, 4, 3, {.padding = 1}), MaxPool2d(2), ReLU(), Conv2d(4, 6, 3), MaxPool2d(2),
                    Flatten(), Linear(24, 16), ReLU(), Dropout(0.25), Linear(16, 5));
}

struct Data {
  Tensor images;
  Tensor labels;
};

Data make_data(std::int64_t count, Device device) {
  Data data;
  data.images = to_tensor({{count, 1, 12, 12}, random_values(count * 144, -1, 1, 5)}, DType::float32, device);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(i * 3 % 5);
  data.labels = from_values(labels, {count}, device);
  return data;
}

double train_step(Sequential& net, Optimizer& optimizer, const Data& data) {
  optimizer.zero_grad();
  const Tensor loss = cross_entropy(net(data.images), data.labels);
  loss.backward();
  optimizer.step();
  return loss.item();
}

struct Outcome {
  std::vector<double> losses;
  std::vector<float> weights;
};

Outcome train(Device device, int steps, int threads) {
  const int before = num_threads();
  set_num_threads(threads);
  manual_seed(7);
  Sequential net = small_net();
  net.to(device);
  SGD optimizer(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3});
  const Data data = make_data(10, device);
  Outcome outcome;
  for (int i = 0; i < steps; ++i) outcome.losses.push_back(train_step(net, optimizer, data));
  for (const Tensor& parameter : net.parameters()) {
    const std::vector<float> values = parameter.to_vector<float>();
    outcome.weights.insert(outcome.weights.end(), values.begin(), values.end());
  }
  set_num_threads(before);
  return outcome;
}

class Training : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(Training);

TEST_P(Training, MemoryDoesNotGrowAndReturnsToTheBaseline) {
  const bool caching = set_caching(true);
  const bool guards = set_guard_bands(false);
  const int threads = num_threads();
  set_num_threads(1);  // so little work per step that waking threads would be most of it
  manual_seed(1);
  {
    Sequential net = small_net();
    net.to(device());
    SGD optimizer(net.parameters(), {.lr = 0.01, .momentum = 0.9});
    const Data data = make_data(4, device());
    for (int i = 0; i < 3; ++i) train_step(net, optimizer, data);  // gradients and momentum exist now
    const MemoryStats warm = memory_stats(device());
    const int steps = device().is_cpu() ? 1000 : 100;
    for (int i = 0; i < steps; ++i) {
      train_step(net, optimizer, data);
      ASSERT_EQ(memory_stats(device()).allocated_bytes, warm.allocated_bytes) << "live after step " << i;
    }
    const MemoryStats stats = memory_stats(device());
    EXPECT_EQ(stats.reserved_bytes, warm.reserved_bytes);
    EXPECT_EQ(stats.driver_allocations, warm.driver_allocations);
    EXPECT_EQ(stats.peak_reserved_bytes, warm.peak_reserved_bytes);
  }
  set_num_threads(threads);
  set_guard_bands(guards);
  set_caching(caching);
}

TEST_P(Training, TheSameSeedGivesTheSameWeights) {
  const Outcome first = train(device(), 8, 2);
  const Outcome second = train(device(), 8, 2);
  EXPECT_EQ(first.losses, second.losses);
  EXPECT_EQ(first.weights, second.weights);
  EXPECT_LT(first.losses.back(), first.losses.front());
}

TEST(TrainingOnTheCpu, TheNumberOfThreadsDoesNotMatter) {
  const Outcome one = train(Device::cpu(), 8, 1);
  for (const int threads : {2, 3, 7}) {
    EXPECT_EQ(train(Device::cpu(), 8, threads).weights, one.weights) << threads << " threads";
  }
}

TEST_P(Training, LossesFollowTheCpu) {
  const Outcome here = train(device(), 20, 2);
  const Outcome cpu = train(Device::cpu(), 20, 2);
  for (std::size_t i = 0; i < cpu.losses.size(); ++i) {
    // One rounding per operation to begin with; training on ten samples amplifies differences slowly.
    EXPECT_NEAR(here.losses[i], cpu.losses[i], 1e-4 * (1 + cpu.losses[i])) << "step " << i;
  }
}

}  // namespace
}  // namespace gnn::testing
