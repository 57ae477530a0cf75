// Two devices: guards restore the current device, and what mixes devices is refused before it reaches a
// kernel. Runs with GNN_EMULATION_DEVICES=2.

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulation/control.h"
#include "gnn/gnn.h"

namespace {

using gnn::Device;
using gnn::Tensor;

const Device first = Device::cuda(0);
const Device second = Device::cuda(1);

class TwoDevices : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(gnn::cuda::device_count(), 2); }
  void TearDown() override {
    int current = -1;
    EXPECT_EQ(cudaGetDevice(&current), cudaSuccess);
    EXPECT_EQ(current, 0) << "a guard did not restore the current device";
    EXPECT_TRUE(gnn::emulation::take_reports().empty());
  }
};

TEST_F(TwoDevices, EveryOperationRunsOnItsTensorsDevice) {
  const Tensor x = gnn::rand({33, 17}, {.device = second});
  const Tensor y = gnn::matmul(gnn::relu(x), gnn::transpose(x));
  EXPECT_EQ(y.device(), second);
  const Tensor on_cpu = gnn::to(x, Device::cpu());
  const std::vector<float> want = gnn::matmul(gnn::relu(on_cpu), gnn::transpose(on_cpu)).to_vector<float>();
  const std::vector<float> got = y.to_vector<float>();
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5f * (1 + want[i]));
}

TEST_F(TwoDevices, ConvolutionsRunOnBothByEveryAlgorithm) {
  const Tensor x = gnn::rand({2, 3, 6, 6});
  const Tensor weight = gnn::rand({4, 3, 3, 3});
  const std::vector<float> want = gnn::conv2d(x, weight).to_vector<float>();
  for (const char* algorithm : {"gemm", "cudnn", "auto"}) {
    if (std::string(algorithm) == "cudnn" && !gnn::cudnn::is_available()) continue;
    gnn::set_conv2d_algorithm(algorithm);
    for (const Device device : {first, second, first}) {
      const Tensor y = gnn::conv2d(gnn::to(x, device), gnn::to(weight, device));
      EXPECT_EQ(y.device(), device);
      const std::vector<float> got = y.to_vector<float>();
      ASSERT_EQ(got.size(), want.size());
      for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5F * (1 + want[i]));
    }
  }
  gnn::set_conv2d_algorithm("gemm");
  EXPECT_EQ(gnn::conv2d_tunings().size(), gnn::cudnn::is_available() ? 2U : 0U) << "each device for itself";
}

TEST_F(TwoDevices, CopiesGoBetweenDevices) {
  const Tensor x = gnn::rand({1000}, {.device = first});
  const Tensor y = gnn::to(x, second);
  EXPECT_EQ(y.device(), second);
  EXPECT_EQ(gnn::to(y, first).to_vector<float>(), x.to_vector<float>());
}

TEST_F(TwoDevices, MixedDevicesAreRefused) {
  const Tensor x = gnn::ones({4, 4}, {.device = first});
  const Tensor y = gnn::ones({4, 4}, {.device = second});
  for (const auto& operation : std::vector<std::function<void()>>{
           [&] { x + y; },
           [&] { gnn::matmul(x, y); },
           [&] { gnn::mse_loss(x, y); },
           [&] { gnn::linear(x, y, Tensor()); },
       }) {
    try {
      operation();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const gnn::DeviceError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("cuda:0"), std::string::npos) << text;
      EXPECT_NE(text.find("cuda:1"), std::string::npos) << text;
    }
  }
  EXPECT_THROW(Device::parse("cuda:2"), gnn::DeviceError);
}

TEST_F(TwoDevices, TheSameTrainingGivesTheSameWeightsOnBoth) {
  const auto train = [](Device device) {
    gnn::manual_seed(5);
    gnn::Sequential net(gnn::Linear(20, 16), gnn::Tanh(), gnn::Dropout(0.3), gnn::Linear(16, 4));
    net.to(device);
    gnn::Adam optimizer(net.parameters(), {.lr = 0.01});
    const Tensor x = gnn::rand({12, 20}, {.device = device});
    const Tensor labels = gnn::from_values(std::vector<std::int64_t>(12, 2), {12}, device);
    for (int step = 0; step < 5; ++step) {
      optimizer.zero_grad();
      gnn::cross_entropy(net(x), labels).backward();
      optimizer.step();
    }
    return net.parameters().front().to_vector<float>();
  };
  EXPECT_EQ(train(first), train(second));
}

TEST_F(TwoDevices, StreamsAndEventsBelongToTheirDevice) {
  const gnn::Stream stream = gnn::Stream::create(second);
  const gnn::StreamGuard guard(stream);
  EXPECT_EQ(gnn::Stream::current(second), stream);
  EXPECT_NE(gnn::Stream::current(first), stream);
  const Tensor x = gnn::full({100}, 3.0, {.device = second});
  gnn::Event done(second);
  done.record(stream);
  done.synchronize();
  EXPECT_EQ(x.to_vector<float>().front(), 3.0f);
  gnn::Event other(first);
  EXPECT_THROW(other.record(stream), gnn::DeviceError);
}

}  // namespace
