// cpu_quota(): what control groups leave a process, read from folders like Linux's.

#include "gnn/core/cpu_quota.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace gnn::testing {
namespace {

TEST(CpuQuota, IsNothingWithoutControlGroups) {
  EXPECT_EQ(cpu_quota(TempFolder().path()), std::nullopt);
}

TEST(CpuQuota, OfVersion2IsRoundedUp) {
  const TempFolder root;
  root.write("proc/self/cgroup", "0::/\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);  // the root group has no such file
  for (const auto& [content, want] :
       std::initializer_list<std::pair<const char*, std::optional<int>>>{{"max 100000\n", std::nullopt},
                                                                         {"200000 100000\n", 2},
                                                                         {"150000 100000\n", 2},
                                                                         {"1000 100000\n", 1},
                                                                         {"50000 10000\n", 5},
                                                                         {"99999999999999 1\n", 1000000},
                                                                         {"100000 0\n", std::nullopt},
                                                                         {"-1 100000\n", std::nullopt},
                                                                         {"100000\n", std::nullopt},
                                                                         {"many\n", std::nullopt},
                                                                         {"", std::nullopt}}) {
    root.write("sys/fs/cgroup/cpu.max", content);
    EXPECT_EQ(cpu_quota(root.path()), want) << content;
  }
}

TEST(CpuQuota, IsTheLeastOfAllGroupsAbove) {
  const TempFolder root;
  root.write("proc/self/cgroup", "0::/system.slice/worker.service/job\n");
  root.write("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
  root.write("sys/fs/cgroup/system.slice/worker.service/cpu.max", "max 100000\n");
  root.write("sys/fs/cgroup/system.slice/worker.service/job/cpu.max", "800000 100000\n");
  root.write("sys/fs/cgroup/system.slice/other/cpu.max", "100000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 3);
}

TEST(CpuQuota, IsThatOfTheRootWhereThePathIsTheHosts) {
  const TempFolder root;
  root.write("proc/self/cgroup", "0::/../../docker/0123abcd\n");
  root.write("sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 4);
}

TEST(CpuQuota, OfVersion1) {
  const TempFolder root;
  root.write("proc/self/cgroup", "12:cpuset:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\nnonsense\n");
  root.write("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root.path()), 3);
}

}  // namespace
}  // namespace gnn::testing
