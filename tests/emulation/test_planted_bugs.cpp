// Every check of the emulator can fail: each planted bug is caught by the mode that should catch it, and its
// correct twin is clean in all modes.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

namespace {

#if defined(GNN_EMULATION_TSAN)
constexpr int build = 2;
#elif defined(GNN_EMULATION_ASAN)
constexpr int build = 1;
#else
constexpr int build = 0;
#endif

/// What a mode makes of a bug.
enum class Outcome {
  unseen,   // the result is right, nothing is reported
  wrong,    // the result is wrong
  by_seed,  // the result is wrong for some seeds
  report,   // the emulator reports it, in words, and CUDA or the process fails
  caught,   // the sanitizer reports it
};
using enum Outcome;

struct Bug {
  const char* name;
  Outcome in_order;
  Outcome shuffled;
  Outcome lazy;
  Outcome asan;
  Outcome tsan;
  const char* words = "";    // of the emulator's or the sanitizer's report
  const char* setting = "";  // environment
};

std::ostream& operator<<(std::ostream& out, const Bug& bug) {
  return out << bug.name;
}

// NaN poison makes results wrong in every mode; in the TSan build a race is reported besides.
const std::vector<Bug> bugs = {
    // name                          in order shuffled lazy    ASan    TSan
    {"global_out_of_bounds", unseen, unseen, unseen, caught, unseen, "AddressSanitizer: use-after-poison"},
    {"shared_overrun_static", unseen, unseen, unseen, caught, unseen, "index 64 out of bounds"},
    {"shared_overrun_template", unseen, unseen, unseen, caught, unseen, "AddressSanitizer: use-after-poison"},
    {"shared_overrun_dynamic", unseen, unseen, unseen, caught, unseen, "AddressSanitizer: use-after-poison"},
    {"missing_barrier_all_read", wrong, wrong, wrong, wrong, caught, "data race"},
    {"missing_barrier_upper_read", unseen, wrong, unseen, unseen, caught, "data race"},
    {"missing_second_barrier", wrong, wrong, wrong, wrong, caught, "data race"},
    {"missing_syncwarp", wrong, wrong, wrong, wrong, caught, "data race"},
    {"missing_atomic", unseen, unseen, unseen, unseen, caught, "data race"},
    {"blocks_write_one_address", unseen, by_seed, unseen, unseen, caught, "data race"},
    {"missing_stream_synchronize", unseen, unseen, wrong, unseen, caught, "data race"},
    {"missing_event_wait", unseen, unseen, wrong, unseen, caught, "data race"},
    {"pinned_buffer_reused", unseen, unseen, wrong, unseen, caught, "data race"},
    {"freed_in_flight", unseen, unseen, wrong, unseen, caught, "data race"},
    {"uninitialised_global", wrong, wrong, wrong, wrong, wrong},
    {"uninitialised_shared_memory", wrong, wrong, wrong, wrong, wrong},
    {"use_after_free", report, report, report, report, report, "a freed allocation of 256 bytes"},
    {"use_after_free_in_struct", wrong, wrong, wrong, caught, wrong, "AddressSanitizer: use-after-poison"},
    {"misaligned_float4", report, report, report, caught, report, "misaligned address"},
    {"int_overflow", unseen, unseen, unseen, caught, unseen, "signed integer overflow"},
    {"host_dereference", report, report, report, report, report, "host code dereferenced device memory"},
    {"host_pointer", report, report, report, report, report, "(host memory)"},
    {"copy_of_wrong_kind", report, report, report, report, report, "is not device memory"},
    {"copy_past_the_end", report, report, report, report, report, "not inside one live allocation"},
    {"bad_block", report, report, report, report, report, "a block of (1025, 1, 1) threads"},
    {"bad_grid", report, report, report, report, report, "a grid of (1, 65536, 1) blocks"},
    {"bad_shared_size", report, report, report, report, report, "49153 bytes of dynamic shared memory"},
    {"too_much_static_shared", report, report, report, report, report, "static shared arrays"},
    {"divergent_barriers", report, report, report, report, report, "divergent barrier"},
    {"barrier_without_all", report, report, report, report, report, "63 wait in __syncthreads"},
    {"shuffle_after_lanes_returned", report, report, report, report, report, "wait in __shfl_xor_sync"},
    {"shuffle_outside_mask", report, report, report, report, report,
     "reads lane 20, which is not in the mask"},
    {"stack_overflow", report, report, report, report, report, "overflowed its stack"},
    {"memory_of_another_device", report, report, report, report, report, "on device 0",
     "GNN_EMULATION_DEVICES=2"},
    {"stream_of_another_device", report, report, report, report, report,
     "a launch goes to a stream of device 0", "GNN_EMULATION_DEVICES=2"},
    {"event_of_another_device", report, report, report, report, report, "an event of device 0 is recorded",
     "GNN_EMULATION_DEVICES=2"},
    {"double_free", report, report, report, report, report, "not the start of a live device allocation"},
    {"workspace_of_two_streams", unseen, unseen, unseen, unseen, caught, "data race"},
    {"bias_too_short", report, report, report, report, report, "cuBLAS: bias: 32 bytes"},
#if defined(GNN_PLANTED_CUDNN_BUGS)
    {"cudnn_workspace_too_small", report, report, report, report, report, "wants a workspace of 72 bytes"},
    {"cudnn_host_pointer", report, report, report, report, report, "is not device memory"},
    {"cudnn_result_too_short", report, report, report, report, report, "not inside one live allocation"},
    {"cudnn_descriptors_that_do_not_fit", report, report, report, report, report, "do not fit together"},
    {"cudnn_destroyed_descriptor", report, report, report, report, report, "that does not exist"},
    {"cudnn_handle_of_another_device", report, report, report, report, report,
     "a cuDNN handle of device 0 is used", "GNN_EMULATION_DEVICES=2"},
    {"cudnn_missing_event_wait", unseen, unseen, wrong, unseen, caught, "data race"},
    {"cudnn_shared_workspace", unseen, unseen, unseen, unseen, caught, "data race"},
#endif
};

struct Ended {
  int status = 0;  // as planted_bugs.cpp says; 128 + a signal's number
  std::string output;
};

/// planted_bugs.cpp or planted_cudnn_bugs.cpp.
std::string program_of(const Bug& bug) {
#if defined(GNN_PLANTED_CUDNN_BUGS)
  if (std::string(bug.name).starts_with("cudnn_")) return GNN_PLANTED_CUDNN_BUGS;
#endif
  static_cast<void>(bug);
  return GNN_PLANTED_BUGS;
}

Ended run(const Bug& bug, const std::string& environment, bool fixed) {
  const std::string command = "env -u GNN_EMULATION_SEED -u GNN_EMULATION_LAZY " + std::string(bug.setting) +
                              " " + environment + " '" + program_of(bug) + "' " + bug.name +
                              (fixed ? " fixed" : "") + " 2>&1";
  Ended result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {127, "popen failed"};
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) result.output += buffer.data();
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

void expect(const Bug& bug, Outcome outcome, const std::string& environment) {
  const auto explain = [&](const Ended& r) {
    return std::string(bug.name) + " with [" + environment + "] ended with " + std::to_string(r.status) +
           ":\n" + r.output;
  };
  if (outcome == by_seed) {
    int wrong_ones = 0;
    for (int seed = 1; seed <= 8; ++seed)
      wrong_ones += run(bug, "GNN_EMULATION_SEED=" + std::to_string(seed), false).status == 3;
    EXPECT_GT(wrong_ones, 0) << bug.name << ": no seed showed it";
    return;
  }
  const Ended result = run(bug, environment, false);
  switch (outcome) {
    case unseen:
      EXPECT_EQ(result.status, 0) << explain(result);
      break;
    case wrong:
      EXPECT_EQ(result.status, 3) << explain(result);
      break;
    case report:
      EXPECT_TRUE(result.status != 0 && result.status != 3) << explain(result);
      EXPECT_NE(result.output.find("emulated CUDA: "), std::string::npos) << explain(result);
      EXPECT_NE(result.output.find(bug.words), std::string::npos) << explain(result);
      break;
    case caught:
      EXPECT_NE(result.status, 0) << explain(result);
      EXPECT_NE(result.output.find(bug.words), std::string::npos) << explain(result);
      break;
    case by_seed:
      break;
  }
}

class PlantedBug : public ::testing::TestWithParam<Bug> {};

INSTANTIATE_TEST_SUITE_P(Table, PlantedBug, ::testing::ValuesIn(bugs),
                         [](const auto& bug) { return std::string(bug.param.name); });

TEST_P(PlantedBug, IsCaught) {
  const Bug& bug = GetParam();
  if constexpr (build == 0) {
    expect(bug, bug.in_order, "");
    expect(bug, bug.shuffled, "GNN_EMULATION_SEED=1");
    expect(bug, bug.lazy, "GNN_EMULATION_LAZY=1");
  } else {
    expect(bug, build == 1 ? bug.asan : bug.tsan, "");
  }
}

TEST_P(PlantedBug, TwinIsClean) {
  for (const std::string environment :
       {"", "GNN_EMULATION_SEED=1", "GNN_EMULATION_LAZY=1", "GNN_EMULATION_SEED=2 GNN_EMULATION_LAZY=1"}) {
    const Ended result = run(GetParam(), environment, true);
    EXPECT_EQ(result.status, 0) << GetParam().name << " [" << environment << "]:\n" << result.output;
    EXPECT_EQ(result.output, "result: right\n") << GetParam().name << " [" << environment << "]";
  }
}

}  // namespace
