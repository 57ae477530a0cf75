// What libgnn makes of CUDA calls that fail, and of a second device.

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulation/control.h"
#include "gnn/core/allocator.h"
#include "gnn/gnn.h"

namespace {

using gnn::Device;
using gnn::Tensor;
using gnn::emulation::Call;
using gnn::emulation::fail_call;

const Device cuda = Device::cuda(0);

/// A net with every kind of layer, its optimizer, and random data.
struct Job {
  explicit Job(Device device, std::int64_t batch = 8) {
    gnn::manual_seed(3);
    net.to(device);
    images = gnn::rand({batch, 1, 12, 12}, {.device = device});
    labels = gnn::from_values(std::vector<std::int64_t>(static_cast<std::size_t>(batch), 1), {batch}, device);
  }

  double step() {
    optimizer.zero_grad();
    const Tensor loss = gnn::cross_entropy(net(images), labels);
    loss.backward();
    optimizer.step();
    return loss.item();
  }

  gnn::Sequential net{gnn::Conv2d(1, 4, 3, {.padding = 1}),
                      gnn::MaxPool2d(2),
                      gnn::ReLU(),
                      gnn::Flatten(),
                      gnn::Linear(144, 16),
                      gnn::Tanh(),
                      gnn::Dropout(0.5),
                      gnn::Linear(16, 5)};
  gnn::SGD optimizer{net.parameters(), {.lr = 0.05, .momentum = 0.9}};
  Tensor images;
  Tensor labels;
};

class CudaFailures : public ::testing::Test {
 protected:
  void SetUp() override {
    Job(cuda).step();  // what is allocated once, for good
    gnn::empty_cache(cuda);
    live_ = gnn::memory_stats(cuda).allocated_bytes;
  }
  void TearDown() override {
    for (const Call call : {Call::allocation, Call::launch, Call::copy}) fail_call(call, 0, cudaSuccess);
    EXPECT_EQ(gnn::memory_stats(cuda).allocated_bytes, live_) << "leaked";
  }
  std::int64_t live_ = 0;
};

TEST_F(CudaFailures, AFailedAllocationFreesTheCacheAndTriesAgain) {
  const bool caching = gnn::set_caching(true);
  { const Tensor cached = gnn::empty({40 << 20}, {gnn::DType::uint8, cuda}); }
  const std::int64_t freed = gnn::memory_stats(cuda).driver_frees;
  fail_call(Call::allocation, 1, cudaErrorMemoryAllocation);
  const Tensor tensor = gnn::zeros({60 << 20}, {gnn::DType::uint8, cuda});
  EXPECT_TRUE(tensor.defined());
  EXPECT_GT(gnn::memory_stats(cuda).driver_frees, freed);
  gnn::set_caching(caching);
}

TEST_F(CudaFailures, OutOfMemoryNamesTheNumbersAndTrainingGoesOnWithASmallerBatch) {
  Job job(cuda);
  job.step();
  // Enough for a batch of 8, not for one of 4096.
  gnn::empty_cache(cuda);
  fail_call(Call::allocation, 1, cudaErrorMemoryAllocation, 1000);
  const std::int64_t live = gnn::memory_stats(cuda).allocated_bytes;
  const Tensor small = job.images;
  try {
    job.images = gnn::rand({4096, 1, 12, 12}, {.device = cuda});
    job.step();
    FAIL() << "nothing was thrown";
  } catch (const gnn::OutOfMemoryError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("out of memory on cuda:0: "), std::string::npos) << text;
    EXPECT_NE(text.find("bytes are in use"), std::string::npos) << text;
    EXPECT_NE(text.find("Use a smaller batch"), std::string::npos) << text;
  }
  job.images = small;
  EXPECT_EQ(gnn::memory_stats(cuda).allocated_bytes, live);
  fail_call(Call::allocation, 0, cudaSuccess);
  EXPECT_GT(job.step(), 0);
}

/// Lets call number n of a training step fail, for every n there is.
template <class Check>
void fail_each(Call call, cudaError_t error, const Check& check) {
  Job job(cuda);
  job.step();
  const std::uint64_t before = gnn::emulation::calls(call);
  job.step();
  const std::uint64_t calls = gnn::emulation::calls(call) - before;
  ASSERT_GT(calls, 0u);
  gnn::Optimizer& optimizer = job.optimizer;
  optimizer.zero_grad();
  for (std::uint64_t n = 1; n <= calls; ++n) {
    const std::int64_t live = gnn::memory_stats(cuda).allocated_bytes;
    fail_call(call, n, error);
    try {
      job.step();
      ADD_FAILURE() << "call " << n << " of " << calls << " failed and nobody noticed";
    } catch (const gnn::CudaError& thrown) {
      check(std::string(thrown.what()));
    }
    optimizer.zero_grad();
    EXPECT_EQ(gnn::memory_stats(cuda).allocated_bytes, live) << "leaked after call " << n;
  }
  EXPECT_GT(job.step(), 0) << "training goes on";
}

TEST_F(CudaFailures, AFailedLaunchNamesTheKernel) {
  std::vector<std::string> messages;
  fail_each(Call::launch, cudaErrorLaunchOutOfResources, [&](const std::string& text) {
    EXPECT_NE(text.find("cudaLaunchKernelEx in kernel "), std::string::npos) << text;
    EXPECT_NE(text.find("cudaErrorLaunchOutOfResources"), std::string::npos) << text;
    messages.push_back(text);
  });
  EXPECT_GT(messages.size(), 5u) << "a step has that many launches at least";
}

TEST_F(CudaFailures, AFailedCopyIsReported) {
  fail_each(Call::copy, cudaErrorInvalidValue, [](const std::string& text) {
    EXPECT_NE(text.find("cudaMemcpyAsync"), std::string::npos) << text;
    EXPECT_NE(text.find("cudaErrorInvalidValue"), std::string::npos) << text;
  });
}

TEST_F(CudaFailures, AFaultMakesEveryLaterCallFailWithoutACrash) {
  {
    Job job(cuda);
    job.step();
    fail_call(Call::launch, 5, cudaErrorIllegalAddress);  // sticks, as a fault does
    EXPECT_THROW(job.step(), gnn::CudaError);
    for (int i = 0; i < 3; ++i) {
      EXPECT_THROW(job.step(), gnn::CudaError);
      EXPECT_THROW(job.images.to_vector<float>(), gnn::CudaError);
      EXPECT_THROW(gnn::synchronize(cuda), gnn::CudaError);
    }
  }  // tensors are freed without a throw
  gnn::emulation::forget_fault();
  Job job(cuda);
  EXPECT_GT(job.step(), 0);
}

}  // namespace
