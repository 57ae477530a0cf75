// How convolutions are computed is a choice: its names, what it measures, and cuDNN where there is one.

#include "gnn/kernels/conv2d_algorithm.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "cases/conv2d.h"
#include "gnn/core/error.h"
#include "gnn/kernels/autotune.h"
#include "gnn/kernels/cudnn.h"
#include "gnn/layers/conv2d.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

/// Chooses an algorithm until the end of the test.
class AlgorithmGuard {
 public:
  explicit AlgorithmGuard(std::string_view algorithm) { set_conv2d_algorithm(algorithm); }
  ~AlgorithmGuard() { set_conv2d_algorithm("gemm"); }
  AlgorithmGuard(const AlgorithmGuard&) = delete;
  AlgorithmGuard& operator=(const AlgorithmGuard&) = delete;
};

TEST(Conv2dAlgorithm, IsGemmUnlessChosen) {
  EXPECT_EQ(get_conv2d_algorithm(), "gemm");
  {
    const AlgorithmGuard guard("auto");
    EXPECT_EQ(get_conv2d_algorithm(), "auto");
  }
  EXPECT_EQ(get_conv2d_algorithm(), "gemm");
  EXPECT_EQ(message_of([] { set_conv2d_algorithm("winograd"); }),
            "set_conv2d_algorithm: expected gemm, cudnn or auto, got winograd");
  EXPECT_THROW(set_conv2d_algorithm("fft"), ValueError);
  EXPECT_EQ(get_conv2d_algorithm(), "gemm");
}

TEST(Conv2dAlgorithm, CudnnIsThereOrSaysWhyNot) {
  EXPECT_EQ(cudnn::unavailable_reason().empty(), cudnn::is_available());
  EXPECT_EQ(cudnn::version().empty(), !cudnn::is_available());
  if (cudnn::is_available()) {
    const AlgorithmGuard guard("cudnn");
    EXPECT_EQ(get_conv2d_algorithm(), "cudnn");
  } else {
    EXPECT_EQ(message_of([] { set_conv2d_algorithm("cudnn"); }),
              "set_conv2d_algorithm: cudnn cannot be used: " + cudnn::unavailable_reason() +
                  " (auto uses it where it is)");
    EXPECT_THROW(set_conv2d_algorithm("cudnn"), DeviceError);
    EXPECT_EQ(get_conv2d_algorithm(), "gemm");
  }
}

TEST(Conv2dAlgorithm, ChangesNothingOnTheCpu) {
  const Tensor x = to_tensor({{2, 3, 9, 8}, random_values(2 * 3 * 9 * 8, -1, 1, 1)}, DType::float32);
  const Tensor weight = to_tensor({{4, 3, 3, 3}, random_values(4 * 3 * 9, -1, 1, 2)}, DType::float32);
  const std::vector<float> want = conv2d(x, weight).to_vector<float>();
  const AlgorithmGuard guard("auto");
  forget_conv2d_tunings();
  EXPECT_EQ(conv2d(x, weight).to_vector<float>(), want);
  EXPECT_TRUE(conv2d_tunings().empty());
}

// The tables of convolutions, by cuDNN and by what is fastest, where there are a GPU and a cuDNN.

std::vector<OpCase> cases_for_cudnn() {
  const std::vector<Device> devices = test_devices();
  const bool on_cuda = std::ranges::any_of(devices, [](Device device) { return device.is_cuda(); });
  return on_cuda && cudnn::is_available() ? tested(cases::conv2d()) : std::vector<OpCase>();
}

class Conv2dByCudnn : public OpTest {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conv2dByCudnn);
INSTANTIATE_TEST_SUITE_P(Cases, Conv2dByCudnn, ::testing::ValuesIn(cases_for_cudnn()), case_name);

TEST_P(Conv2dByCudnn, MatchesReference) {
  const AlgorithmGuard guard("cudnn");
  check_parity(GetParam());
}

TEST_P(Conv2dByCudnn, Gradients) {
  const AlgorithmGuard guard("cudnn");
  check_gradients(GetParam());
}

TEST_P(Conv2dByCudnn, TheFastestMatchesReference) {
  const AlgorithmGuard guard("auto");
  check_parity(GetParam());
}

// What is measured, by candidates whose times are known.

kernels::Candidate sleeper(const std::string& name, int milliseconds, int& calls) {
  return {name, [milliseconds, &calls] {
            ++calls;
            std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
          }};
}

TEST(Autotune, TakesTheFastest) {
  int calls[3] = {};
  const std::vector<kernels::Timing> timings = kernels::time_candidates(
      {sleeper("slow", 8, calls[0]), sleeper("fast", 1, calls[1]), sleeper("slower", 12, calls[2])},
      Device::cpu());
  ASSERT_EQ(timings.size(), 3U);
  EXPECT_EQ(kernels::fastest(timings), 1U);
  EXPECT_GE(timings[0].milliseconds, 8);
  EXPECT_GE(timings[1].milliseconds, 1);
  EXPECT_GE(timings[2].milliseconds, 12);
  for (const int count : calls) EXPECT_EQ(count, 6);
}

TEST(Autotune, IsNotMisledByOneSlowCall) {
  int calls = 0;
  const kernels::Candidate hiccup{"hiccup", [&] {
                                    if (++calls <= 3)
                                      std::this_thread::sleep_for(std::chrono::milliseconds(40));
                                  }};
  int others = 0;
  EXPECT_EQ(
      kernels::fastest(kernels::time_candidates({sleeper("steady", 10, others), hiccup}, Device::cpu())), 1U);
}

TEST(Autotune, LeavesOutWhatThrows) {
  int calls = 0;
  const kernels::Candidate broken{"broken", [] { throw ShapeError("it does not work"); }};
  const auto timings = kernels::time_candidates({broken, sleeper("works", 1, calls)}, Device::cpu());
  EXPECT_EQ(timings[0].error, "it does not work");
  EXPECT_EQ(timings[1].error, "");
  EXPECT_EQ(kernels::fastest(timings), 1U);
  EXPECT_EQ(message_of([&] { kernels::fastest(kernels::time_candidates({broken}, Device::cpu())); }),
            "it does not work");
  EXPECT_EQ(kernels::fastest({{2, ""}, {2, ""}}), 0U) << "of equals the first";
}

}  // namespace
}  // namespace gnn::testing
