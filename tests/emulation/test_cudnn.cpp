// Convolutions by cuDNN: which algorithms are used, what becomes of failures, and of a missing library.

#include <cstdlib>
#include <thread>

#include "emulation/cudnn_case.h"
#include "gnn/kernels/conv2d_cudnn.h"
#include "support/errors.h"

namespace gnn::testing {
namespace {

using emulation::CudnnRun;
using emulation::fail_cudnn;
using emulation::take_cudnn_runs;
using kernels::Conv2dDirection;
using kernels::Conv2dProblem;
using kernels::CudnnConvolution;

std::vector<std::string> names(const std::vector<kernels::CudnnAlgorithm>& algorithms) {
  std::vector<std::string> result;
  for (const auto& algorithm : algorithms) result.push_back(algorithm.name);
  return result;
}

/// A 3x3 convolution of one image with padding 1.
Conv2dProblem problem_of(Conv2dDirection direction, std::int64_t size, DType dtype = DType::float32) {
  kernels::Conv2dSizes z{};
  z.n = z.groups = 1;
  z.c = z.cg = z.o = z.og = 2;
  z.h = z.w = z.oh = z.ow = size;
  z.kernel = 3;
  z.stride = z.padding = z.dilation = 1;
  z.patch = 18;
  z.positions = size * size;
  return {direction, z, dtype, cuda_device};
}

TEST_F(Cudnn, HasAVersion) {
  EXPECT_EQ(cudnn::version(), std::to_string(CUDNN_MAJOR) + "." + std::to_string(CUDNN_MINOR) + "." +
                                  std::to_string(CUDNN_PATCHLEVEL));
}

TEST_F(Cudnn, IsNotUsedUnlessChosen) {
  convolve();
  EXPECT_TRUE(take_cudnn_runs().empty());
}

// The first suggestions are not deterministic, or transforms.
TEST_F(Cudnn, UsesDeterministicAlgorithmsThatMultiply) {
  const Values want = convolve();
  set_conv2d_algorithm("cudnn");
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
    conv2d(random_tensor({1, 2, 6, 6}, 1, dtype), random_tensor({2, 2, kernel, kernel}, 2, dtype));
    const std::vector<CudnnRun> runs = take_cudnn_runs();
    return std::pair{runs.at(0).algorithm, runs.at(0).math};
  };
  set_conv2d_algorithm("cudnn");
  const std::pair exact{int{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM}, CUDNN_FMA_MATH};
  EXPECT_EQ(forward(DType::float32, 3), exact);
  EXPECT_EQ(forward(DType::float32, 2), exact);
  set_float32_matmul_precision("high");
  EXPECT_EQ(forward(DType::float32, 3),
            (std::pair{int{CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED}, CUDNN_DEFAULT_MATH}));
  EXPECT_EQ(forward(DType::float32, 2),
            (std::pair{int{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM}, CUDNN_TENSOR_OP_MATH}));
  EXPECT_EQ(forward(DType::float64, 3),
            (std::pair{int{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM}, CUDNN_DEFAULT_MATH}));
  set_float32_matmul_precision("highest");
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
  set_float32_matmul_precision("high");
  EXPECT_EQ(list(Conv2dDirection::forward, 8),
            (Names{"cudnn winograd_nonfused", "cudnn implicit_precomp_gemm tensor_op", "cudnn implicit_gemm",
                   "cudnn implicit_precomp_gemm", "cudnn gemm"}));
  EXPECT_EQ(list(Conv2dDirection::input_gradient, 8), (Names{"cudnn winograd_nonfused", "cudnn algo_1"}));
  EXPECT_EQ(list(Conv2dDirection::input_gradient, 8, DType::float64), Names{"cudnn algo_1"});
}

TEST_F(Cudnn, EmptyTensorsAreNotItsBusiness) {
  set_conv2d_algorithm("cudnn");
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
  EXPECT_THROW(CudnnConvolution::of(long_row), ShapeError);
  const Conv2dProblem large = problem_of(Conv2dDirection::forward, 40'000);
  EXPECT_NE(message(large).find("tensors of up to 2^31 - 1 elements"), std::string::npos) << message(large);
}

TEST_F(Cudnn, AFailureByNameIsAnError) {
  set_conv2d_algorithm("cudnn");
  const auto run = [] { convolve({1, 3, 5, 5}); };
  run();
  fail_cudnn("cudnnConvolutionForward", 1, CUDNN_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(
      message_of(run),
      "conv2d_forward: cudnnConvolutionForward failed: CUDNN_STATUS_EXECUTION_FAILED for input [1, 3, 5, 5], "
      "weight [4, 3, 3, 3], stride 1, padding 0, dilation 1, groups 1, float32 on cuda:0 (cudnn "
      "implicit_precomp_gemm)");
  fail_cudnn("cudnnConvolutionForward", 1, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
  EXPECT_THROW(run(), OutOfMemoryError);
  EXPECT_NO_THROW(run()) << "it was the one call";

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
  EXPECT_THROW(another(), CudaError);
  fail_cudnn("cudnnGetConvolutionForwardWorkspaceSize", 0, CUDNN_STATUS_SUCCESS);
  EXPECT_NO_THROW(another()) << "a failure is not remembered";
}

TEST_F(Cudnn, EveryThreadHasItsOwnHandleAndDescriptors) {
  set_conv2d_algorithm("cudnn");
  const Values want = convolve();
  const std::size_t before = emulation::live_cudnn_objects();
  std::size_t during = 0;
  Values got;
  std::thread([&] {
    got = convolve();
    during = emulation::live_cudnn_objects();
  }).join();
  EXPECT_EQ(got, want);
  EXPECT_EQ(during - before, 1U + 3 * 4);
  EXPECT_EQ(emulation::live_cudnn_objects(), before);
  std::string message;
  std::thread([&] {
    fail_cudnn("cudnnCreate", 1, CUDNN_STATUS_NOT_INITIALIZED);
    message = message_of([] { convolve(); });
  }).join();
  EXPECT_EQ(message, "conv2d_forward: cudnnCreate failed: CUDNN_STATUS_NOT_INITIALIZED");
  EXPECT_EQ(emulation::live_cudnn_objects(), before);
}

// The library is looked for once, so each case has a process of its own.
[[noreturn]] void explain(const char* variable, const char* value) {
  setenv(variable, value, 1);
  const std::string reason = cudnn::unavailable_reason();
  const bool refused = message_of([] { set_conv2d_algorithm("cudnn"); }).find(reason) != std::string::npos;
  set_conv2d_algorithm("auto");
  convolve();
  const bool by_gemm = conv2d_tunings().empty() && take_cudnn_runs().empty();
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(!reason.empty() && refused && by_gemm && !cudnn::is_available() && cudnn::version().empty() ? 0
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
}  // namespace gnn::testing
