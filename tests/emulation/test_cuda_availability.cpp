// What a program is told when it cannot use CUDA, and that everything else works then. The library asks once,
// so each case has a process of its own.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "gnn/gnn.h"

namespace {

using Environment = std::vector<std::pair<const char*, const char*>>;

/// Prints the reason to stderr and exits with 0 when CUDA cannot be used, tensors on it are refused with that
/// reason, and the CPU works.
[[noreturn]] void explain(const Environment& environment) {
  for (const auto& [name, value] : environment) setenv(name, value, 1);
  const std::string reason = gnn::cuda::unavailable_reason();
  bool refused = false;
  try {
    gnn::zeros({2}, {.device = gnn::Device::cuda(0)});
  } catch (const gnn::DeviceError& error) {
    refused = std::string(error.what()).find(reason) != std::string::npos;
  }
  bool named = true;
  try {
    static_cast<void>(gnn::cuda::device_name(0));
  } catch (const gnn::DeviceError&) {
    named = false;
  }
  gnn::cuda::profiler_start();
  gnn::cuda::profiler_stop();
  const bool cpu_works = gnn::sum(gnn::ones({3})).item() == 3;
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(!reason.empty() && refused && !named && cpu_works && !gnn::cuda::is_available() ? 0 : 1);
}

#define EXPECT_REASON(environment, reason) \
  EXPECT_EXIT(explain(environment), ::testing::ExitedWithCode(0), reason)

TEST(CudaAvailability, NamesTheReason) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process each, not a fork of one that has threads
  EXPECT_REASON((Environment{{"GNN_EMULATION_DRIVER", "0"}}), "no NVIDIA driver is installed");
  EXPECT_REASON((Environment{{"GNN_EMULATION_DRIVER", "11040"}}), "driver supports CUDA 11.4, .* update the");
  EXPECT_REASON((Environment{{"GNN_EMULATION_DEVICES", "0"}}), "found no GPU");
  EXPECT_REASON((Environment{{"GNN_EMULATION_DEVICE_CODE", "0"}}),
                "no device code for GPU 0 .*8.0.*CMAKE_CUDA_ARCHITECTURES=80");
}

TEST(CudaAvailability, ADeviceIsNamed) {
  ASSERT_TRUE(gnn::cuda::is_available()) << gnn::cuda::unavailable_reason();
  EXPECT_EQ(gnn::cuda::unavailable_reason(), "");
  EXPECT_NE(gnn::cuda::device_name(0).find("sm_80"), std::string::npos) << gnn::cuda::device_name(0);
  EXPECT_THROW(static_cast<void>(gnn::cuda::device_name(-1)), gnn::DeviceError);
  EXPECT_THROW(static_cast<void>(gnn::cuda::device_name(1)), gnn::DeviceError);
  gnn::cuda::profiler_start();
  gnn::cuda::profiler_stop();
}

}  // namespace
