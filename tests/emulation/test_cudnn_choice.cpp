// What conv2d's algorithm "auto" measures and remembers, and what a captured step makes of it.

#include <optional>
#include <thread>

#include "emulation/cudnn_case.h"
#include "support/captured_case.h"

namespace gnn::testing {
namespace {

using emulation::fail_cudnn;
using emulation::slow_down;
using emulation::take_cudnn_runs;

TEST_F(Cudnn, MeasuresOnceAndRemembers) {
  const Values by_gemm = convolve();
  set_conv2d_algorithm("auto");
  slow_down("cuBLAS", 20);
  slow_down("cudnnConvolutionForward 1", 10);
  slow_down("cudnnConvolutionForward 2", 10);
  const Values first = convolve();
  expect_near(first, by_gemm);
  // Six times each, and once more the fastest.
  EXPECT_EQ(take_cudnn_runs().size(), 3U * 6 + 6 + 6 + 3);
  const std::vector<Conv2dTuning> tunings = conv2d_tunings();
  ASSERT_EQ(tunings.size(), 3U);
  EXPECT_EQ(
      tunings[0].problem,
      "conv2d_forward of input [2, 3, 7, 6], weight [4, 3, 3, 3], stride 1, padding 0, dilation 1, groups 1, "
      "float32 on cuda:0");
  EXPECT_EQ(tunings[0].chosen, "cudnn implicit_gemm");
  ASSERT_EQ(tunings[0].candidates.size(), 4U);
  EXPECT_EQ(tunings[0].candidates[0].algorithm, "gemm");
  EXPECT_GE(tunings[0].candidates[0].milliseconds, 20);
  EXPECT_EQ(tunings[0].candidates[1].algorithm, "cudnn implicit_precomp_gemm");
  EXPECT_GE(tunings[0].candidates[1].milliseconds, 10);
  for (const auto& candidate : tunings[0].candidates) EXPECT_EQ(candidate.error, "");
  EXPECT_EQ(tunings[1].chosen, "cudnn algo_1");
  EXPECT_EQ(tunings[2].chosen, "cudnn algo_1");

  slow_down("cuBLAS", 0);
  slow_down("cudnnConvolutionForward 0", 20);
  EXPECT_EQ(convolve(), first) << "remembered, though no longer the fastest";
  std::thread([&] { EXPECT_EQ(convolve(), first) << "by all threads"; }).join();
  EXPECT_EQ(take_cudnn_runs().size(), 2U * 3);
  EXPECT_EQ(conv2d_tunings().size(), 3U);
}

TEST_F(Cudnn, GemmIsMeasuredToo) {
  const Tensor x = random_tensor({1, 2, 5, 5}, 1);
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  const std::vector<float> want = conv2d(x, weight).to_vector<float>();
  set_conv2d_algorithm("auto");
  for (const char* work :
       {"cudnnConvolutionForward 0", "cudnnConvolutionForward 1", "cudnnConvolutionForward 2"})
    slow_down(work, 60);
  EXPECT_EQ(conv2d(x, weight).to_vector<float>(), want) << "bitwise";
  EXPECT_EQ(conv2d_tunings().at(0).chosen, "gemm");
  take_cudnn_runs();
  EXPECT_EQ(conv2d(x, weight).to_vector<float>(), want);
  EXPECT_TRUE(take_cudnn_runs().empty());
  forget_conv2d_tunings();
  for (const char* work :
       {"cudnnConvolutionForward 0", "cudnnConvolutionForward 1", "cudnnConvolutionForward 2"})
    slow_down(work, 0);
  slow_down("cuBLAS", 60);
  conv2d(x, weight);
  EXPECT_NE(conv2d_tunings().at(0).chosen, "gemm") << "measured anew";
}

TEST_F(Cudnn, WhatDiffersIsMeasuredByItself) {
  set_conv2d_algorithm("auto");
  const auto tunings_after = [](const std::function<void()>& run) {
    run();
    return conv2d_tunings().size();
  };
  EXPECT_EQ(tunings_after([] { convolve(); }), 3U);
  EXPECT_EQ(tunings_after([] { convolve({3, 3, 7, 6}); }), 6U);
  EXPECT_EQ(tunings_after([] { convolve({2, 3, 7, 6}, {4, 3, 3, 3}, DType::float64); }), 9U);
  set_float32_matmul_precision("high");
  EXPECT_EQ(tunings_after([] { convolve(); }), 12U);
  EXPECT_EQ(tunings_after([] { convolve(); }), 12U);
}

TEST_F(Cudnn, WhatFailsIsLeftOutOfTheMeasurement) {
  set_conv2d_algorithm("auto");
  slow_down("cuBLAS", 20);
  fail_cudnn("cudnnConvolutionForward", 1, CUDNN_STATUS_EXECUTION_FAILED);
  const Tensor x = random_tensor({1, 2, 6, 6}, 1);
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  conv2d(x, weight);
  {
    const Conv2dTuning tuning = conv2d_tunings().back();
    EXPECT_NE(tuning.candidates[1].error.find("CUDNN_STATUS_EXECUTION_FAILED"), std::string::npos);
    EXPECT_TRUE(tuning.chosen == "cudnn implicit_gemm" || tuning.chosen == "cudnn gemm") << tuning.chosen;
  }
  // No algorithm at all.
  forget_conv2d_tunings();
  fail_cudnn("cudnnGetConvolutionForwardAlgorithm_v7", 1, CUDNN_STATUS_NOT_SUPPORTED);
  const Tensor wider = random_tensor({1, 2, 6, 9}, 1);
  const std::vector<float> got = conv2d(wider, weight).to_vector<float>();
  const Conv2dTuning tuning = conv2d_tunings().back();
  EXPECT_EQ(tuning.chosen, "gemm");
  ASSERT_EQ(tuning.candidates.size(), 2U);
  EXPECT_NE(tuning.candidates[1].error.find("cudnnGetConvolutionForwardAlgorithm_v7 failed"),
            std::string::npos)
      << tuning.candidates[1].error;
  set_conv2d_algorithm("gemm");
  EXPECT_EQ(got, conv2d(wider, weight).to_vector<float>());
}

// Losses and weights of a few steps.
struct Job {
  explicit Job(bool capture)
      : loader(striped_images(64), {.batch_size = 8, .drop_last = true, .device = cuda_device}),
        step(cuda_device, [this] { return make_step(); },
             {.capture = capture, .parameters = model.parameters()}) {
    model.to(cuda_device);
    batch = loader.begin();
  }

  Tensor make_step() {
    if (inside) inside();
    optimizer.zero_grad();
    Tensor loss = cross_entropy(model((*batch)->inputs), (*batch)->labels);
    loss.backward();
    optimizer.step();
    ++*batch;
    return loss;
  }

  Trained trained() {
    Trained result;
    note_model(result, model, optimizer);
    result.grads.clear();
    return result;
  }

  Sequential model = [] {
    manual_seed(3);
    return Sequential(Conv2d(1, 4, 3), ReLU(), Conv2d(4, 6, 3, {.stride = 2}), Flatten(), Linear(24, 4));
  }();
  SGD optimizer{model.parameters(), {.lr = 0.05}};
  DataLoader loader;
  std::optional<DataLoader::Iterator> batch;
  std::function<void()> inside;
  CapturedStep step;
};

class CudnnCapture : public Cudnn {
 protected:
  void SetUp() override {
    Cudnn::SetUp();
    caching_ = set_caching(true);
  }
  void TearDown() override {
    set_caching(caching_);
    Cudnn::TearDown();
  }

 private:
  bool caching_ = true;
};

TEST_F(CudnnCapture, AStepIsRecordedWithTheRememberedChoice) {
  for (const char* algorithm : {"cudnn", "auto"}) {
    set_conv2d_algorithm(algorithm);
    slow_down("cuBLAS", 10);
    std::optional<Trained> want;
    for (const bool capture : {false, true}) {
      Job job(capture);
      for (int i = 0; i < 6; ++i) job.step();
      EXPECT_EQ(job.step.replays(), capture ? 5 : 0) << job.step.reason();
      if (!capture) {
        want = job.trained();
      } else {
        EXPECT_TRUE(job.trained() == *want) << algorithm;
      }
    }
  }
}

TEST_F(CudnnCapture, NothingIsMeasuredInACapture) {
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  const Tensor x = random_tensor({1, 2, 6, 6}, 1);
  set_conv2d_algorithm("gemm");
  const std::vector<float> want = conv2d(x, weight).to_vector<float>();
  set_conv2d_algorithm("auto");
  slow_down("cuBLAS", 20);
  int calls = 0;
  Tensor y;
  // The recording, the second call, meets a convolution that is new to it.
  CapturedStep step(cuda_device, [&] {
    y = ++calls == 1 ? add(x, 1.0) : conv2d(x, weight);
    return y;
  });
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(step.replays(), 2) << step.reason();
  EXPECT_EQ(y.to_vector<float>(), want) << "bitwise what gemm computes";
  EXPECT_TRUE(conv2d_tunings().empty());
  EXPECT_TRUE(take_cudnn_runs().empty());
  conv2d(x, weight);
  EXPECT_EQ(conv2d_tunings().size(), 1U) << "what ran in the capture is not remembered";
}

TEST_F(CudnnCapture, AHandleCanBeMadeInACapture) {
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  const Tensor x = random_tensor({1, 2, 6, 6}, 1);
  set_conv2d_algorithm("cudnn");
  const std::vector<float> want = conv2d(x, weight).to_vector<float>();
  synchronize(cuda_device);
  take_cudnn_runs();
  std::thread([&] {  // which has no handle
    int calls = 0;
    Tensor y;
    CapturedStep step(cuda_device, [&] {
      y = ++calls == 1 ? add(x, 1.0) : conv2d(x, weight);
      return y;
    });
    for (int i = 0; i < 3; ++i) step();
    EXPECT_EQ(step.replays(), 2) << step.reason();
    EXPECT_EQ(y.to_vector<float>(), want);
  })
      .join();
  EXPECT_EQ(take_cudnn_runs().size(), 1U) << "issued once, to the recording";
}

TEST_F(CudnnCapture, AnotherAlgorithmIsRecordedAnew) {
  std::optional<Trained> want;
  for (const bool capture : {false, true}) {
    Job job(capture);
    for (int i = 0; i < 7; ++i) {
      set_conv2d_algorithm(i < 3 ? "gemm" : "cudnn");
      job.step();
    }
    EXPECT_EQ(job.step.replays(), capture ? 5 : 0) << job.step.reason();
    if (!capture) {
      want = job.trained();
    } else {
      EXPECT_TRUE(job.trained() == *want);
    }
  }
}

}  // namespace
}  // namespace gnn::testing
