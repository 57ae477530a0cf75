#include "gnn/core/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

namespace gnn {
namespace {

namespace fs = std::filesystem;

/// Two numbers of microseconds: the time in each period. "max", -1 and a missing file are no limit.
std::optional<double> processors(std::istream&& quota, std::istream&& period) {
  double time = 0;
  double in = 0;
  if (!(quota >> time) || !(period >> in) || time <= 0 || in <= 0) return std::nullopt;
  return time / in;
}

std::optional<double> version2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  std::string quota, period;
  file >> quota >> period;
  return processors(std::istringstream(quota), std::istringstream(period));
}

std::optional<double> version1(const fs::path& group) {
  return processors(std::ifstream(group / "cpu.cfs_quota_us"), std::ifstream(group / "cpu.cfs_period_us"));
}

/// Whether "cpu" is among names that commas separate.
bool has_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');)
    if (name == "cpu") return true;
  return false;
}

}  // namespace

std::optional<int> cpu_quota(const fs::path& root) {
  std::optional<double> least;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // number:controllers:/path
    std::istringstream fields(line);
    std::string number, controllers, path;
    std::getline(fields, number, ':');
    std::getline(fields, controllers, ':');
    if (!std::getline(fields, path)) continue;
    const bool is_version2 = controllers.empty();
    if (!is_version2 && !has_cpu(controllers)) continue;
    const fs::path mount = root / (is_version2 ? "sys/fs/cgroup" : "sys/fs/cgroup/cpu");
    // A container often sees its own group as the root of all, while the path is the host's: the folders of
    // the path that are not there say nothing.
    for (fs::path group = fs::path(path).relative_path();; group = group.parent_path()) {
      const std::optional<double> limit = is_version2 ? version2(mount / group) : version1(mount / group);
      if (limit) least = std::min(*limit, least.value_or(*limit));
      if (group.empty()) break;
    }
  }
  if (!least) return std::nullopt;
  return static_cast<int>(std::ceil(std::min(*least, 1e6)));
}

}  // namespace gnn
