// What libgnn asks of CUDA: how many calls a captured step makes, what it makes of calls that fail in one,
// and which mode products are computed in.

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "emulation/control.h"
#include "gnn/core/allocator.h"
#include "support/captured_case.h"

namespace {

using namespace gnn::testing;
using gnn::Device;
using gnn::Tensor;
using gnn::emulation::Call;
using gnn::emulation::fail_call;

const Device cuda = Device::cuda(0);

/// What a step of LeNet may launch: a batch; two convolutions, whose gradients are two launches for weight
/// and bias and one for the input, which the first does not need; three products for either linear layer,
/// ReLU, its gradient with the bias's, the other bias's; the loss, the accuracy, and the update.
constexpr std::uint64_t most_lenet_launches = 20;

struct Calls {
  std::uint64_t graph_launches = gnn::emulation::calls(Call::graph_launch);
  std::uint64_t launches = gnn::emulation::calls(Call::launch);
  std::uint64_t copies = gnn::emulation::calls(Call::copy);
  std::uint64_t allocations = gnn::emulation::calls(Call::allocation);
  std::uint64_t waits = gnn::emulation::calls(Call::synchronization);

  Calls operator-(const Calls& before) const {
    return {graph_launches - before.graph_launches, launches - before.launches, copies - before.copies,
            allocations - before.allocations, waits - before.waits};
  }
};

/// A network with dropout, Adam, clipping and a schedule, a loader, and a loop by hand.
struct Job {
  explicit Job(bool capture, std::int64_t samples = 100)
      : loader(striped_images(samples),
               {.batch_size = 8, .shuffle = true, .drop_last = true, .device = cuda}),
        step(cuda, [this] { return make_step(); }, {.capture = capture, .parameters = model.parameters()}) {
    model.to(cuda);
    optimizer.foresee_lr(
        [this](std::size_t group, std::int64_t steps) { return schedule.lr_after(group, steps); });
    gnn::manual_seed(2);
    batch = loader.begin();
  }

  Tensor make_step() {
    if (inside) inside();
    optimizer.zero_grad();
    Tensor loss = gnn::cross_entropy(model((*batch)->inputs), (*batch)->labels);
    loss.backward();
    gnn::clip_grad_norm(parameters, 0.5);
    optimizer.step();
    ++*batch;
    return loss;
  }

  void operator()() {
    step();
    schedule.step();
  }

  Trained trained() {
    Trained result;
    note_model(result, model, optimizer);
    result.grads.clear();
    return result;
  }

  gnn::Sequential model = dropout_mlp();
  std::vector<Tensor> parameters = model.parameters();
  gnn::Adam optimizer{parameters, {.lr = 0.01}};
  gnn::LinearWarmup schedule{gnn::CosineLR(optimizer, 10), 4};
  gnn::DataLoader loader;
  std::optional<gnn::DataLoader::Iterator> batch;
  std::function<void()> inside;
  gnn::CapturedStep step;
};

class CudaCalls : public ::testing::Test {
 protected:
  void SetUp() override {
    caching_ = gnn::set_caching(true);
    Job(true)();  // what is made once
    gnn::empty_cache(cuda);
    live_ = gnn::memory_stats(cuda).allocated_bytes;
    gnn::emulation::take_reports();
  }
  void TearDown() override {
    for (const Call call :
         {Call::allocation, Call::launch, Call::copy, Call::graph_launch, Call::synchronization})
      fail_call(call, 0, cudaSuccess);
    EXPECT_EQ(gnn::memory_stats(cuda).allocated_bytes, live_) << "leaked";
    EXPECT_EQ(gnn::emulation::take_reports(), expected_reports);
    gnn::set_caching(caching_);
  }

  /// What `steps` steps without capturing come to.
  static Trained reference(int steps) {
    Job job(false);
    for (int i = 0; i < steps; ++i) job();
    return job.trained();
  }

  std::vector<std::string> expected_reports;

 private:
  bool caching_ = true;
  std::int64_t live_ = 0;
};

TEST_F(CudaCalls, ACapturedStepIsOneLaunchAndNothingElse) {
  Job job(true);
  for (int i = 0; i < 2; ++i) job();
  for (int i = 2; i < 12; ++i) {
    const Calls before;
    job();
    const Calls step = Calls() - before;
    EXPECT_EQ(step.graph_launches, 1u) << "step " << i;
    EXPECT_EQ(step.launches, 0u) << "step " << i;
    EXPECT_EQ(step.copies, 0u) << "step " << i;
    EXPECT_EQ(step.allocations, 0u) << "step " << i;
    EXPECT_EQ(step.waits, 0u) << "step " << i;
  }
  EXPECT_EQ(job.step.replays(), 11);
  EXPECT_TRUE(job.trained() == reference(12));

  // The next epoch begins with one copy: indices, learning rates, random numbers.
  job.batch = job.loader.begin();
  const Calls before;
  for (int i = 0; i < 12; ++i) job();
  const Calls epoch = Calls() - before;
  EXPECT_EQ(epoch.graph_launches, 12u);
  EXPECT_EQ(epoch.launches, 0u);
  EXPECT_EQ(epoch.copies, 1u);
  EXPECT_EQ(epoch.allocations, 0u);
  EXPECT_EQ(epoch.waits, 0u);
}

/// Launches, by kernel and of cuBLAS, in an epoch of so many steps of LeNet with 64 images each.
std::map<std::string, std::uint64_t> lenet_launches(std::int64_t steps, bool capture) {
  gnn::manual_seed(1);
  gnn::LeNet model;
  model.to(cuda);
  gnn::SGD optimizer(model.parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  gnn::ImageDataset data = striped_images(64 * steps);
  data.images = gnn::zeros({64 * steps, 1, 28, 28}, {.dtype = gnn::DType::uint8});
  gnn::DataLoader loader(data, {.batch_size = 64, .shuffle = true, .device = cuda});
  gnn::emulation::take_launches();
  const gnn::History history =
      gnn::Trainer(model, optimizer).fit(loader, {.epochs = 1, .capture = capture, .progress = false});
  EXPECT_EQ(history.captured_steps, capture ? steps - 1 : 0) << history.capture_reason;
  return gnn::emulation::take_launches();
}

std::uint64_t total(const std::map<std::string, std::uint64_t>& launches) {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : launches) sum += count;
  return sum;
}

/// In a small network launches are what a step costs. cuBLAS counts once for each call, which on a GPU may be
/// two kernels (a product whose sums are split).
TEST_F(CudaCalls, AStepOfLenetIsFewLaunches) {
  const auto one = lenet_launches(1, false);
  auto step = lenet_launches(2, false);
  std::string list;
  for (auto& [name, count] : step) {
    if (const auto before = one.find(name); before != one.end()) count -= before->second;
    if (count > 0) list += std::to_string(count) + " " + name + "\n";
  }
  EXPECT_LE(total(step), most_lenet_launches) << list;
  // Captured: the same and the kernel that takes the step's values from their table. Launching that once more
  // precedes the recording.
  EXPECT_EQ(total(lenet_launches(2, true)), total(one) + 1 + total(step) + 1);
}

TEST_F(CudaCalls, WithoutCapturingAStepIsManyLaunches) {
  Job job(false);
  for (int i = 0; i < 2; ++i) job();
  const Calls before;
  job();
  const Calls step = Calls() - before;
  EXPECT_EQ(step.graph_launches, 0u);
  EXPECT_GT(step.launches, 10u);
}

// Few enough steps for an epoch that the trainer reads the loss at its end only.
TEST_F(CudaCalls, AnEpochOfTheTrainer) {
  const auto calls = [](std::int64_t epochs) {
    gnn::Sequential model = small_lenet();
    model.to(cuda);
    gnn::SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9});
    gnn::DataLoader loader(striped_images(32), {.batch_size = 8, .shuffle = true, .device = cuda});
    const Calls before;
    gnn::Trainer(model, optimizer).fit(loader, {.epochs = epochs, .progress = false});
    return Calls() - before;
  };
  calls(1);
  const Calls epoch = calls(4) - calls(3);
  EXPECT_EQ(epoch.graph_launches, 4u);
  EXPECT_EQ(epoch.launches, 1u) << "the totals are set to 0";
  EXPECT_EQ(epoch.copies, 2u) << "the step table to the device, the totals back";
  EXPECT_EQ(epoch.allocations, 0u);
  EXPECT_EQ(epoch.waits, 1u) << "for the totals";
}

TEST_F(CudaCalls, ALaunchThatFailsWhileRecording) {
  std::uint64_t launches = 0;
  {
    Job job(true);
    job();
    const Calls before;
    job();
    launches = (Calls() - before).launches;
  }
  ASSERT_GT(launches, 10u);
  const Trained want = reference(4);
  for (std::uint64_t n = 1; n <= launches; ++n) {
    Job job(true);
    job();
    fail_call(Call::launch, n, cudaErrorLaunchOutOfResources);
    for (int i = 1; i < 4; ++i) job();
    EXPECT_NE(job.step.reason().find("cudaLaunchKernelEx in kernel "), std::string::npos)
        << job.step.reason();
    EXPECT_EQ(job.step.replays(), 0);
    EXPECT_TRUE(job.trained() == want) << "launch " << n;
  }
}

TEST_F(CudaCalls, AnAllocationThatFailsWhileRecording) {
  Job job(true);
  job();
  gnn::empty_cache(cuda);
  std::uint64_t at = 0;
  job.inside = [&] {
    if (++at == 1) fail_call(Call::allocation, 1, cudaErrorMemoryAllocation);
  };
  for (int i = 1; i < 4; ++i) job();
  EXPECT_NE(job.step.reason().find("out of memory on cuda:0"), std::string::npos) << job.step.reason();
  EXPECT_TRUE(job.trained() == reference(4));
}

TEST_F(CudaCalls, AGraphLaunchThatFails) {
  for (const std::uint64_t n : {1, 3}) {
    Job job(true);
    job();
    fail_call(Call::graph_launch, n, cudaErrorLaunchOutOfResources);
    for (int i = 1; i < 6; ++i) job();
    EXPECT_NE(job.step.reason().find("cudaGraphLaunch failed"), std::string::npos) << job.step.reason();
    EXPECT_EQ(job.step.replays(), static_cast<std::int64_t>(n) - 1);
    EXPECT_TRUE(job.trained() == reference(6));
    job.step.reset();  // gives it another try
    job.batch = job.loader.begin();
    for (int i = 0; i < 3; ++i) job();
    EXPECT_EQ(job.step.reason(), "");
    EXPECT_EQ(job.step.replays(), static_cast<std::int64_t>(n) + 2);
  }
}

TEST_F(CudaCalls, ACopyThatFailsBeforeAReplay) {
  Job job(true);
  for (int i = 0; i < 3; ++i) job();
  job.optimizer.set_lr(0.5);  // not as foreseen
  fail_call(Call::copy, 1, cudaErrorInvalidValue);
  job();
  EXPECT_NE(job.step.reason().find("cudaMemcpyAsync failed"), std::string::npos) << job.step.reason();
  Job plain(false);
  for (int i = 0; i < 3; ++i) plain();
  plain.optimizer.set_lr(0.5);
  plain();
  EXPECT_TRUE(job.trained() == plain.trained());
}

TEST_F(CudaCalls, OtherThreadsGoOnWhileOneRecords) {
  Job job(true);
  std::vector<float> values;
  job.inside = [&] {
    std::thread([&] {
      const Tensor x = gnn::full({300000}, 2.0, {.device = cuda});
      values = gnn::mul(x, x).to_vector<float>();
    }).join();
  };
  for (int i = 0; i < 4; ++i) job();
  EXPECT_EQ(job.step.replays(), 3) << job.step.reason();
  EXPECT_EQ(values, std::vector<float>(300000, 4.0F));
  EXPECT_TRUE(job.trained() == reference(4));
}

// Code that calls CUDA by itself, in ways that libgnn cannot see.
TEST_F(CudaCalls, CudasOwnRefusalIsPassedOn) {
  Job job(true);
  job();
  int calls = 0;
  job.inside = [&] {
    if (++calls == 1) cudaDeviceSynchronize();
  };
  for (int i = 1; i < 4; ++i) job();
  EXPECT_NE(job.step.reason().find("cannot be part of a captured step"), std::string::npos)
      << job.step.reason();
  EXPECT_NE(job.step.reason().find("cudaErrorStreamCaptureInvalidated"), std::string::npos)
      << job.step.reason();
  EXPECT_TRUE(job.trained() == reference(4));
  expected_reports = {"cudaDeviceSynchronize is not allowed while a stream is captured"};
}

TEST_F(CudaCalls, AFaultInAReplayIsAnError) {
  {
    Job job(true);
    for (int i = 0; i < 3; ++i) job();
    fail_call(Call::graph_launch, 1, cudaErrorIllegalAddress);
    EXPECT_THROW(job(), gnn::CudaError);
    EXPECT_THROW(job(), gnn::Error);
  }
  gnn::emulation::forget_fault();
  gnn::empty_cache(cuda);
}

/// Values and gradients of linear layers with and without bias and ReLU, and how many launches they took.
struct LinearResults {
  std::vector<std::vector<double>> values;
  std::uint64_t launches = 0;
};
LinearResults linear_results(gnn::DType dtype) {
  LinearResults results;
  const auto leaf = [&](const gnn::Shape& shape, double step) {
    std::vector<double> numbers;
    for (std::int64_t i = 1; i <= shape.numel(); ++i)
      numbers.push_back(std::sin(step * static_cast<double>(i)));
    return gnn::to(gnn::to(gnn::from_values(numbers, shape), dtype), cuda).set_requires_grad();
  };
  for (const bool relu : {true, false}) {
    for (const bool with_bias : {true, false}) {
      const Tensor x = leaf({40, 7}, 0.7);
      const Tensor weight = leaf({5, 7}, 1.3);
      const Tensor bias = with_bias ? leaf({5}, 2.1) : Tensor();
      gnn::emulation::take_launches();
      const Tensor y = relu ? gnn::linear_relu(x, weight, bias) : gnn::linear(x, weight, bias);
      y.backward(gnn::ones_like(y));
      results.launches += total(gnn::emulation::take_launches());
      for (const Tensor& tensor : {y, x.grad(), weight.grad(), with_bias ? bias.grad() : y})
        results.values.push_back(tensor.to_doubles());
    }
  }
  return results;
}

/// cuBLAS need not have an algorithm for every epilogue; then libgnn does its work in a launch of its own.
TEST(Linear, ResultsAreTheSameWithoutEpilogues) {
  using gnn::emulation::CublasRefusal;
  for (const gnn::DType dtype : {gnn::DType::float32, gnn::DType::float64}) {
    const LinearResults want = linear_results(dtype);
    for (const CublasRefusal refusal :
         {CublasRefusal::epilogues_by_heuristic, CublasRefusal::epilogues_by_matmul}) {
      gnn::emulation::refuse_in_cublas(refusal);
      LinearResults got;
      std::thread([&] { got = linear_results(dtype); }).join();  // which knows no algorithms from before
      gnn::emulation::refuse_in_cublas(CublasRefusal::nothing);
      EXPECT_EQ(got.values, want.values);
      EXPECT_EQ(got.launches, want.launches + 2) << "two biases";
    }
  }
}

TEST(Matmul, WithoutAnAlgorithmItSaysForWhat) {
  gnn::emulation::refuse_in_cublas(gnn::emulation::CublasRefusal::products);
  std::string words;
  try {
    gnn::matmul(gnn::zeros({3, 1234}, {.device = cuda}), gnn::zeros({1234, 7}, {.device = cuda}));
  } catch (const gnn::CudaError& error) {
    words = error.what();
  }
  gnn::emulation::refuse_in_cublas(gnn::emulation::CublasRefusal::nothing);
  EXPECT_NE(
      words.find("gemm: cuBLAS has no algorithm for a product of 3 x 1234 and 1234 x 7 matrices on cuda:0"),
      std::string::npos)
      << words;
}

TEST(MatmulPrecision, ChoosesTheComputeType) {
  EXPECT_EQ(gnn::get_float32_matmul_precision(), "highest");
  const Tensor a = gnn::zeros({4, 4}, {.device = cuda});
  const auto types = [&] {
    gnn::emulation::take_compute_types();
    gnn::matmul(a, a);
    gnn::conv2d(gnn::zeros({1, 1, 4, 4}, {.device = cuda}), gnn::zeros({2, 1, 2, 2}, {.device = cuda}));
    return gnn::emulation::take_compute_types();
  };
  EXPECT_EQ(types(), std::set<int>{CUBLAS_COMPUTE_32F});
  gnn::set_float32_matmul_precision("high");
  EXPECT_EQ(gnn::get_float32_matmul_precision(), "high");
  EXPECT_EQ(types(), std::set<int>{CUBLAS_COMPUTE_32F_FAST_TF32});
  EXPECT_THROW(gnn::set_float32_matmul_precision("medium"), gnn::ValueError);
  EXPECT_EQ(gnn::get_float32_matmul_precision(), "high");
  gnn::set_float32_matmul_precision("highest");
  EXPECT_EQ(types(), std::set<int>{CUBLAS_COMPUTE_32F});
}

}  // namespace
