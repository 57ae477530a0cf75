// Convolutions by cuDNN: which algorithms are used, what is measured and remembered, what becomes of
// failures.

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <thread>

#include "emulation/control.h"
#include "emulation/cudnn_control.h"
#include "gnn/core/allocator.h"
#include "gnn/kernels/conv2d_cudnn.h"
#include "support/captured_case.h"
#include "support/op_case.h"

namespace {

using namespace gnn::testing;
using gnn::Conv2dTuning;
using gnn::Device;
using gnn::DType;
using gnn::Shape;
using gnn::Tensor;
using gnn::emulation::CudnnRun;
using gnn::emulation::fail_cudnn;
using gnn::emulation::slow_down;
using gnn::emulation::take_cudnn_runs;
using gnn::kernels::Conv2dDirection;
using gnn::kernels::Conv2dProblem;
using gnn::kernels::CudnnConvolution;

const Device cuda = Device::cuda(0);

Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::float32) {
  return to_tensor({shape, random_values(shape.numel(), -1, 1, seed)}, dtype, cuda);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const gnn::Error& error) {
    return error.what();
  }
  return "no error";
}

/// Result and gradients of one convolution.
using Values = std::vector<std::vector<double>>;
Values convolve(const Shape& x_shape = {2, 3, 7, 6}, const Shape& weight_shape = {4, 3, 3, 3},
                DType dtype = DType::float32) {
  Tensor x = random_tensor(x_shape, 1, dtype).set_requires_grad();
  Tensor weight = random_tensor(weight_shape, 2, dtype).set_requires_grad();
  Tensor bias = random_tensor({weight_shape[0]}, 3, dtype).set_requires_grad();
  const Tensor y = gnn::conv2d(x, weight, bias);
  y.backward(random_tensor(y.shape(), 4, dtype));
  return {y.to_doubles(), x.grad().to_doubles(), weight.grad().to_doubles(), bias.grad().to_doubles()};
}

void expect_near(const Values& got, const Values& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i].size(), want[i].size());
    for (std::size_t j = 0; j < want[i].size(); ++j) EXPECT_NEAR(got[i][j], want[i][j], 1e-5);
  }
}

std::vector<std::string> names(const std::vector<gnn::kernels::CudnnAlgorithm>& algorithms) {
  std::vector<std::string> result;
  for (const auto& algorithm : algorithms) result.push_back(algorithm.name);
  return result;
}

/// A 3x3 convolution of one image with padding 1.
Conv2dProblem problem_of(Conv2dDirection direction, std::int64_t size, DType dtype = DType::float32) {
  gnn::kernels::Conv2dSizes z{};
  z.n = z.groups = 1;
  z.c = z.cg = z.o = z.og = 2;
  z.h = z.w = z.oh = z.ow = size;
  z.kernel = 3;
  z.stride = z.padding = z.dilation = 1;
  z.patch = 18;
  z.positions = size * size;
  return {direction, z, dtype, cuda};
}

class Cudnn : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(gnn::cudnn::is_available()) << gnn::cudnn::unavailable_reason();
    gnn::forget_conv2d_tunings();
    gnn::emulation::take_reports();
    take_cudnn_runs();
  }
  void TearDown() override {
    for (const char* function :
         {"cudnnCreate", "cudnnConvolutionForward", "cudnnGetConvolutionForwardWorkspaceSize",
          "cudnnGetConvolutionForwardAlgorithm_v7", "cudnnSetTensor4dDescriptor"})
      fail_cudnn(function, 0, CUDNN_STATUS_SUCCESS);
    for (const char* work :
         {"cuBLAS", "cudnnConvolutionForward 0", "cudnnConvolutionForward 1", "cudnnConvolutionForward 2",
          "cudnnConvolutionBackwardData 1", "cudnnConvolutionBackwardFilter 1"})
      slow_down(work, 0);
    gnn::set_conv2d_algorithm("gemm");
    gnn::set_float32_matmul_precision("highest");
    EXPECT_TRUE(gnn::emulation::take_reports().empty());
  }
};

TEST_F(Cudnn, HasAVersion) {
  EXPECT_EQ(gnn::cudnn::version(), std::to_string(CUDNN_MAJOR) + "." + std::to_string(CUDNN_MINOR) + "." +
                                       std::to_string(CUDNN_PATCHLEVEL));
}

TEST_F(Cudnn, IsNotUsedUnlessChosen) {
  convolve();
  EXPECT_TRUE(take_cudnn_runs().empty());
}

// The first suggestions are not deterministic, or transforms.
TEST_F(Cudnn, UsesDeterministicAlgorithmsThatMultiply) {
  const Values want = convolve();
  gnn::set_conv2d_algorithm("cudnn");
  const Values got = convolve();
  expect_near(got, want);
  const std::vector<CudnnRun> runs = take_cudnn_runs();
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].function, "cudnnConvolutionForward");
  EXPECT_EQ(runs[0].algorithm, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
  EXPECT_EQ(runs[1].function, "cudnnConvolutionBackwardData");
  EXPECT_EQ(runs[1].algorithm, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1);
  EXPECT_EQ(runs[2].function, "cudnnConvolutionBackwardFilter");
  EXPECT_EQ(runs[2].algorithm, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1);
  for (const CudnnRun& run : runs) EXPECT_EQ(run.math, CUDNN_FMA_MATH);
  EXPECT_EQ(convolve(), got) << "bitwise";
}

TEST_F(Cudnn, PrecisionAllowsTransformsAndTensorCores) {
  const auto forward = [](DType dtype, std::int64_t kernel) {
    gnn::conv2d(random_tensor({1, 2, 6, 6}, 1, dtype), random_tensor({2, 2, kernel, kernel}, 2, dtype));
    const std::vector<CudnnRun> runs = take_cudnn_runs();
    return std::pair{runs.at(0).algorithm, runs.at(0).math};
  };
  gnn::set_conv2d_algorithm("cudnn");
  const std::pair exact{int{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM}, CUDNN_FMA_MATH};
  EXPECT_EQ(forward(DType::float32, 3), exact);
  EXPECT_EQ(forward(DType::float32, 2), exact);
  gnn::set_float32_matmul_precision("high");
  EXPECT_EQ(forward(DType::float32, 3),
            (std::pair{int{CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED}, CUDNN_DEFAULT_MATH}));
  EXPECT_EQ(forward(DType::float32, 2),
            (std::pair{int{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM}, CUDNN_TENSOR_OP_MATH}));
  EXPECT_EQ(forward(DType::float64, 3),
            (std::pair{int{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM}, CUDNN_DEFAULT_MATH}));
  gnn::set_float32_matmul_precision("highest");
  EXPECT_EQ(forward(DType::float32, 3), exact) << "both are remembered";
}

TEST_F(Cudnn, ListsWhatMayBeUsed) {
  const auto list = [](Conv2dDirection direction, std::int64_t size, DType dtype = DType::float32) {
    return names(CudnnConvolution::of(problem_of(direction, size, dtype)).algorithms());
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(list(Conv2dDirection::forward, 8),
            (Names{"cudnn implicit_precomp_gemm", "cudnn implicit_gemm", "cudnn gemm"}));
  EXPECT_EQ(list(Conv2dDirection::input_gradient, 8), Names{"cudnn algo_1"});
  EXPECT_EQ(list(Conv2dDirection::weight_gradient, 8), Names{"cudnn algo_1"});
  // Its matrix of 18 x 4000² elements is too large a workspace.
  EXPECT_EQ(list(Conv2dDirection::forward, 4000),
            (Names{"cudnn implicit_precomp_gemm", "cudnn implicit_gemm"}));
  gnn::set_float32_matmul_precision("high");
  EXPECT_EQ(list(Conv2dDirection::forward, 8),
            (Names{"cudnn winograd_nonfused", "cudnn implicit_precomp_gemm tensor_op", "cudnn implicit_gemm",
                   "cudnn implicit_precomp_gemm", "cudnn gemm"}));
  EXPECT_EQ(list(Conv2dDirection::input_gradient, 8), (Names{"cudnn winograd_nonfused", "cudnn algo_1"}));
  EXPECT_EQ(list(Conv2dDirection::input_gradient, 8, DType::float64), Names{"cudnn algo_1"});
}

TEST_F(Cudnn, EmptyTensorsAreNotItsBusiness) {
  gnn::set_conv2d_algorithm("cudnn");
  const Values got = convolve({0, 3, 7, 6});
  EXPECT_TRUE(got[0].empty());
  EXPECT_EQ(got[2], std::vector<double>(4 * 3 * 9, 0.0));
  EXPECT_TRUE(take_cudnn_runs().empty());
}

TEST_F(Cudnn, RefusesWhatItCannotIndex) {
  const auto message = [](const Conv2dProblem& problem) {
    return message_of([&] { CudnnConvolution::of(problem); });
  };
  Conv2dProblem long_row = problem_of(Conv2dDirection::forward, 8);
  long_row.sizes.w = std::int64_t{1} << 40;
  EXPECT_NE(message(long_row).find("sizes up to 2^31 - 1, got input [1, 2, 8, 1099511627776]"),
            std::string::npos)
      << message(long_row);
  EXPECT_THROW(CudnnConvolution::of(long_row), gnn::ShapeError);
  const Conv2dProblem large = problem_of(Conv2dDirection::forward, 40'000);
  EXPECT_NE(message(large).find("tensors of up to 2^31 - 1 elements"), std::string::npos) << message(large);
}

TEST_F(Cudnn, AFailureByNameIsAnError) {
  gnn::set_conv2d_algorithm("cudnn");
  const auto run = [] { convolve({1, 3, 5, 5}); };
  run();
  fail_cudnn("cudnnConvolutionForward", 1, CUDNN_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(
      message_of(run),
      "conv2d_forward: cudnnConvolutionForward failed: CUDNN_STATUS_EXECUTION_FAILED for input [1, 3, 5, 5], "
      "weight [4, 3, 3, 3], stride 1, padding 0, dilation 1, groups 1, float32 on cuda:0 (cudnn "
      "implicit_precomp_gemm)");
  fail_cudnn("cudnnConvolutionForward", 1, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
  EXPECT_THROW(run(), gnn::OutOfMemoryError);
  EXPECT_EQ(message_of(run), "no error") << "it was the one call";

  const auto another = [] { convolve({1, 3, 5, 6}); };
  fail_cudnn("cudnnSetTensor4dDescriptor", 1, CUDNN_STATUS_BAD_PARAM);
  EXPECT_NE(
      message_of(another).find("cudnnSetTensor4dDescriptor failed: CUDNN_STATUS_BAD_PARAM for input [1, 3"),
      std::string::npos);
  fail_cudnn("cudnnGetConvolutionForwardWorkspaceSize", 1, CUDNN_STATUS_NOT_SUPPORTED, 100);
  EXPECT_NE(message_of(another).find(
                "conv2d_forward: cuDNN has no deterministic algorithm with a workspace of up to "
                "256 MiB for input [1, 3, 5, 6]"),
            std::string::npos)
      << message_of(another);
  EXPECT_THROW(another(), gnn::CudaError);
  fail_cudnn("cudnnGetConvolutionForwardWorkspaceSize", 0, CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(message_of(another), "no error") << "a failure is not remembered";
}

TEST_F(Cudnn, EveryThreadHasItsOwnHandleAndDescriptors) {
  gnn::set_conv2d_algorithm("cudnn");
  const Values want = convolve();
  const std::size_t before = gnn::emulation::live_cudnn_objects();
  std::size_t during = 0;
  Values got;
  std::thread([&] {
    got = convolve();
    during = gnn::emulation::live_cudnn_objects();
  }).join();
  EXPECT_EQ(got, want);
  EXPECT_EQ(during - before, 1U + 3 * 4);
  EXPECT_EQ(gnn::emulation::live_cudnn_objects(), before);
  std::string message;
  std::thread([&] {
    fail_cudnn("cudnnCreate", 1, CUDNN_STATUS_NOT_INITIALIZED);
    message = message_of([] { convolve(); });
  }).join();
  EXPECT_EQ(message, "conv2d_forward: cudnnCreate failed: CUDNN_STATUS_NOT_INITIALIZED");
  EXPECT_EQ(gnn::emulation::live_cudnn_objects(), before);
}

TEST_F(Cudnn, MeasuresOnceAndRemembers) {
  const Values by_gemm = convolve();
  gnn::set_conv2d_algorithm("auto");
  slow_down("cuBLAS", 20);
  slow_down("cudnnConvolutionForward 1", 10);
  slow_down("cudnnConvolutionForward 2", 10);
  const Values first = convolve();
  expect_near(first, by_gemm);
  // Six times each, and once more the fastest.
  EXPECT_EQ(take_cudnn_runs().size(), 3U * 6 + 6 + 6 + 3);
  const std::vector<Conv2dTuning> tunings = gnn::conv2d_tunings();
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
  EXPECT_EQ(gnn::conv2d_tunings().size(), 3U);
}

TEST_F(Cudnn, GemmIsMeasuredToo) {
  const Tensor x = random_tensor({1, 2, 5, 5}, 1);
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  const std::vector<float> want = gnn::conv2d(x, weight).to_vector<float>();
  gnn::set_conv2d_algorithm("auto");
  for (const char* work :
       {"cudnnConvolutionForward 0", "cudnnConvolutionForward 1", "cudnnConvolutionForward 2"})
    slow_down(work, 60);
  EXPECT_EQ(gnn::conv2d(x, weight).to_vector<float>(), want) << "bitwise";
  EXPECT_EQ(gnn::conv2d_tunings().at(0).chosen, "gemm");
  take_cudnn_runs();
  EXPECT_EQ(gnn::conv2d(x, weight).to_vector<float>(), want);
  EXPECT_TRUE(take_cudnn_runs().empty());
  gnn::forget_conv2d_tunings();
  for (const char* work :
       {"cudnnConvolutionForward 0", "cudnnConvolutionForward 1", "cudnnConvolutionForward 2"})
    slow_down(work, 0);
  slow_down("cuBLAS", 60);
  gnn::conv2d(x, weight);
  EXPECT_NE(gnn::conv2d_tunings().at(0).chosen, "gemm") << "measured anew";
}

TEST_F(Cudnn, WhatDiffersIsMeasuredByItself) {
  gnn::set_conv2d_algorithm("auto");
  const auto tunings_after = [](const std::function<void()>& run) {
    run();
    return gnn::conv2d_tunings().size();
  };
  EXPECT_EQ(tunings_after([] { convolve(); }), 3U);
  EXPECT_EQ(tunings_after([] { convolve({3, 3, 7, 6}); }), 6U);
  EXPECT_EQ(tunings_after([] { convolve({2, 3, 7, 6}, {4, 3, 3, 3}, DType::float64); }), 9U);
  gnn::set_float32_matmul_precision("high");
  EXPECT_EQ(tunings_after([] { convolve(); }), 12U);
  EXPECT_EQ(tunings_after([] { convolve(); }), 12U);
}

TEST_F(Cudnn, WhatFailsIsLeftOutOfTheMeasurement) {
  gnn::set_conv2d_algorithm("auto");
  slow_down("cuBLAS", 20);
  fail_cudnn("cudnnConvolutionForward", 1, CUDNN_STATUS_EXECUTION_FAILED);
  const Tensor x = random_tensor({1, 2, 6, 6}, 1);
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  gnn::conv2d(x, weight);
  {
    const Conv2dTuning tuning = gnn::conv2d_tunings().back();
    EXPECT_NE(tuning.candidates[1].error.find("CUDNN_STATUS_EXECUTION_FAILED"), std::string::npos);
    EXPECT_TRUE(tuning.chosen == "cudnn implicit_gemm" || tuning.chosen == "cudnn gemm") << tuning.chosen;
  }
  // No algorithm at all.
  gnn::forget_conv2d_tunings();
  fail_cudnn("cudnnGetConvolutionForwardAlgorithm_v7", 1, CUDNN_STATUS_NOT_SUPPORTED);
  const Tensor wider = random_tensor({1, 2, 6, 9}, 1);
  const std::vector<float> got = gnn::conv2d(wider, weight).to_vector<float>();
  const Conv2dTuning tuning = gnn::conv2d_tunings().back();
  EXPECT_EQ(tuning.chosen, "gemm");
  ASSERT_EQ(tuning.candidates.size(), 2U);
  EXPECT_NE(tuning.candidates[1].error.find("cudnnGetConvolutionForwardAlgorithm_v7 failed"),
            std::string::npos)
      << tuning.candidates[1].error;
  gnn::set_conv2d_algorithm("gemm");
  EXPECT_EQ(got, gnn::conv2d(wider, weight).to_vector<float>());
}

// Losses and weights of a few steps.
struct Job {
  explicit Job(bool capture)
      : loader(striped_images(64), {.batch_size = 8, .drop_last = true, .device = cuda}),
        step(cuda, [this] { return make_step(); }, {.capture = capture, .parameters = model.parameters()}) {
    model.to(cuda);
    batch = loader.begin();
  }

  Tensor make_step() {
    if (inside) inside();
    optimizer.zero_grad();
    Tensor loss = gnn::cross_entropy(model((*batch)->inputs), (*batch)->labels);
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

  gnn::Sequential model = [] {
    gnn::manual_seed(3);
    return gnn::Sequential(gnn::Conv2d(1, 4, 3), gnn::ReLU(), gnn::Conv2d(4, 6, 3, {.stride = 2}),
                           gnn::Flatten(), gnn::Linear(24, 4));
  }();
  gnn::SGD optimizer{model.parameters(), {.lr = 0.05}};
  gnn::DataLoader loader;
  std::optional<gnn::DataLoader::Iterator> batch;
  std::function<void()> inside;
  gnn::CapturedStep step;
};

class CudnnCapture : public Cudnn {
 protected:
  void SetUp() override {
    Cudnn::SetUp();
    caching_ = gnn::set_caching(true);
  }
  void TearDown() override {
    gnn::set_caching(caching_);
    Cudnn::TearDown();
  }

 private:
  bool caching_ = true;
};

TEST_F(CudnnCapture, AStepIsRecordedWithTheRememberedChoice) {
  for (const char* algorithm : {"cudnn", "auto"}) {
    gnn::set_conv2d_algorithm(algorithm);
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
  gnn::set_conv2d_algorithm("gemm");
  const std::vector<float> want = gnn::conv2d(x, weight).to_vector<float>();
  gnn::set_conv2d_algorithm("auto");
  slow_down("cuBLAS", 20);
  int calls = 0;
  Tensor y;
  // The recording, the second call, meets a convolution that is new to it.
  gnn::CapturedStep step(cuda, [&] {
    y = ++calls == 1 ? gnn::add(x, 1.0) : gnn::conv2d(x, weight);
    return y;
  });
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(step.replays(), 2) << step.reason();
  EXPECT_EQ(y.to_vector<float>(), want) << "bitwise what gemm computes";
  EXPECT_TRUE(gnn::conv2d_tunings().empty());
  EXPECT_TRUE(take_cudnn_runs().empty());
  gnn::conv2d(x, weight);
  EXPECT_EQ(gnn::conv2d_tunings().size(), 1U) << "what ran in the capture is not remembered";
}

TEST_F(CudnnCapture, AHandleCanBeMadeInACapture) {
  const Tensor weight = random_tensor({2, 2, 3, 3}, 2);
  const Tensor x = random_tensor({1, 2, 6, 6}, 1);
  gnn::set_conv2d_algorithm("cudnn");
  const std::vector<float> want = gnn::conv2d(x, weight).to_vector<float>();
  gnn::synchronize(cuda);
  take_cudnn_runs();
  std::thread([&] {  // which has no handle
    int calls = 0;
    Tensor y;
    gnn::CapturedStep step(cuda, [&] {
      y = ++calls == 1 ? gnn::add(x, 1.0) : gnn::conv2d(x, weight);
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
      gnn::set_conv2d_algorithm(i < 3 ? "gemm" : "cudnn");
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

// The library is looked for once, so each case has a process of its own.
[[noreturn]] void explain(const char* variable, const char* value) {
  setenv(variable, value, 1);
  const std::string reason = gnn::cudnn::unavailable_reason();
  const bool refused =
      message_of([] { gnn::set_conv2d_algorithm("cudnn"); }).find(reason) != std::string::npos;
  gnn::set_conv2d_algorithm("auto");
  convolve();
  const bool by_gemm = gnn::conv2d_tunings().empty() && take_cudnn_runs().empty();
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(!reason.empty() && refused && by_gemm && !gnn::cudnn::is_available() &&
                    gnn::cudnn::version().empty()
                ? 0
                : 1);
}

TEST(CudnnAvailability, NamesTheReasonAndAutoIsGemm) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto well = ::testing::ExitedWithCode(0);
  EXPECT_EXIT(explain("GNN_CUDNN_LIBRARY", "/nowhere/libcudnn.so.9"), well,
              "/nowhere/libcudnn.so.9 cannot be loaded .*install cuDNN 9, or set GNN_CUDNN_LIBRARY");
  EXPECT_EXIT(explain("GNN_CUDNN_LIBRARY", "libm.so.6"), well,
              "libm.so.6 has no cudnnGetVersion; install cuDNN 9");
  EXPECT_EXIT(explain("GNN_EMULATION_CUDNN", "81000"), well, "is cuDNN 8.10.0; install cuDNN 9");
}

}  // namespace
