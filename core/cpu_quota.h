#pragma once

#include <filesystem>
#include <optional>

namespace gnn {

/// The processors' worth of time, rounded up, that Linux's control groups leave this process: what a
/// container was started with (docker run --cpus=2, Kubernetes' limits), where all processors of the machine
/// are seen. More threads than that are stopped in the middle of a computation, again and again. Nothing
/// where there is no limit. Reads cpu.max (version 2; https://docs.kernel.org/admin-guide/cgroup-v2.html) or
/// cpu.cfs_quota_us (version 1) of the process's group and all above it, under `root`. Not installed.
std::optional<int> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace gnn
