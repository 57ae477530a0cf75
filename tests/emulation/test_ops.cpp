// No op without CUDA: every op that CMake knows has a case table whose tests launch kernels (or matrix
// products) on cuda:0, and a benchmark.

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<std::string> ops() {
  std::istringstream names(GNN_OPS);
  std::vector<std::string> result;
  for (std::string name; names >> name;) result.push_back(name);
  return result;
}

std::string run(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::string output;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << output;
  return output;
}

class EveryOp : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Registered, EveryOp, ::testing::ValuesIn(ops()),
                         [](const auto& op) { return op.param; });

TEST_P(EveryOp, HasCasesThatRunOnCuda) {
  const std::string program = std::string(GNN_TEST_PROGRAMS) + "/test_" + GetParam();
  const std::string launches = ::testing::TempDir() + "launches-" + GetParam();
  const std::string listed = run("'" + program + "' --gtest_list_tests");
  EXPECT_NE(listed.find("Cases/"), std::string::npos) << "no case table:\n" << listed;
  // A fifth of the cases: the op's own test runs them all.
  run("env GTEST_TOTAL_SHARDS=5 GTEST_SHARD_INDEX=2 GNN_TEST_DEVICE=cuda:0 GNN_EMULATION_LAUNCHES='" +
      launches + "' '" + program + "' --gtest_filter='Cases/*' 2>&1");
  std::ifstream file(launches);
  std::string line;
  EXPECT_TRUE(std::getline(file, line)) << "its cases launched nothing on cuda:0";
  std::filesystem::remove(launches);
}

TEST_P(EveryOp, HasABenchmark) {
  EXPECT_TRUE(std::filesystem::exists(std::string(GNN_SOURCE) + "/benchmarks/bench_" + GetParam() + ".cpp"));
}

TEST(Ops, AreKnown) {
  EXPECT_GE(ops().size(), 22u);
}

}  // namespace
