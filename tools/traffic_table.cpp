// traffic_table ALLOWED.txt REPORT.json...: prints ptxsim's reports of marked regions as tables. Fails for
// kernels that move more than they must, unless ALLOWED.txt (kernels/traffic_use.txt, which explains itself)
// has them, and for bank conflicts that may cost time.

#include <fnmatch.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using nlohmann::json;

/// "void gnn::kernels::(anonymous namespace)::f<int, float>(float*)" -> "f<int,float>"
std::string short_name(std::string name) {
  for (const std::string part : {"gnn::", "kernels::", "(anonymous namespace)::", " "}) {
    for (std::size_t at = 0; (at = name.find(part)) != std::string::npos;) name.erase(at, part.size());
  }
  if (name.starts_with("void")) name.erase(0, 4);
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

double number(const json& object, const char* key) {
  return object.at(key).get<double>();
}

/// Two digits behind the point, or a dash for what did not happen.
std::string ratio(double value, double over) {
  return over > 0 ? fmt::format("{:.2f}", value / over) : "-";
}

/// Sectors per request, and what they would be without any waste.
std::string sectors(const json& access) {
  const double requests = number(access, "requests");
  if (requests == 0) return "-";
  return fmt::format("{:.2f}/{:.2f}", number(access, "sectors") / requests,
                     number(access, "ideal_sectors") / requests);
}

void print_kernel(const std::string& name, const json& kernel) {
  const json& load = kernel.at("shared_load");
  const json& store = kernel.at("shared_store");
  fmt::print("{:8} {:>9} {:>11} {:>11} {:>9.1f} {:>7} {:>9} {:>6.2f}  {}\n",
             kernel.at("launches").get<std::int64_t>(),
             fmt::format("{:.0f}x{:.0f}", number(kernel, "blocks") / number(kernel, "launches"),
                         number(kernel, "threads") / number(kernel, "blocks")),
             sectors(kernel.at("global_load")), sectors(kernel.at("global_store")),
             number(kernel, "global_bytes_moved") / 1024,
             ratio(number(kernel, "global_bytes_moved"), number(kernel, "global_bytes_floor")),
             ratio(number(load, "wavefronts") + number(store, "wavefronts"),
                   number(load, "ideal_wavefronts") + number(store, "ideal_wavefronts")),
             number(kernel, "active_lanes"), name);
}

std::ifstream open_file(const char* path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("cannot read {}", path));
  return file;
}

/// A kernel may move so many times what it must.
struct Allowance {
  double ratio = 1;
  std::string pattern;
  bool used = false;
};

std::vector<Allowance> read_allowances(const char* path) {
  std::vector<Allowance> result;
  std::ifstream file = open_file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    Allowance entry;
    std::string reason;
    std::istringstream fields(line);
    if (!(fields >> entry.ratio >> entry.pattern >> reason)) {
      throw std::runtime_error(fmt::format("{}: expected \"RATIO PATTERN REASON\", got \"{}\"", path, line));
    }
    result.push_back(entry);
  }
  return result;
}

/// What memory's speed decides about: less is moved in the time that a launch takes.
constexpr double least_bytes = 64 * 1024;

/// True when no kernel has bank conflicts that may cost time; says so on stderr when not.
bool check_conflicts(const std::vector<json>& kernels) {
  constexpr double most_conflicts = 1.05;
  // A multiprocessor serves a wavefront a cycle, and memory gives it 0.3 (A100) to 0.5 (H100) sectors a
  // cycle: up to two wavefronts to a sector are served while the sectors come.
  constexpr double most_wavefronts = 1;
  bool good = true;
  for (const json& kernel : kernels) {
    const json& load = kernel.at("shared_load");
    const json& store = kernel.at("shared_store");
    const double wavefronts = number(load, "wavefronts") + number(store, "wavefronts");
    const double ideal = number(load, "ideal_wavefronts") + number(store, "ideal_wavefronts");
    const double sectors = number(kernel, "global_bytes_moved") / 32;
    if (number(kernel, "global_bytes_floor") < least_bytes || wavefronts <= most_conflicts * ideal ||
        wavefronts <= most_wavefronts * sectors) {
      continue;
    }
    good = false;
    std::fprintf(stderr, "%s",
                 fmt::format("traffic_table: {} has {:.2f} times the least wavefronts of shared memory, and "
                             "{:.2f} for each sector that it moves: bank conflicts cost time\n",
                             short_name(kernel.at("name")), wavefronts / ideal, wavefronts / sectors)
                     .c_str());
  }
  return good;
}

/// True when no kernel moves more than it may and every allowance is needed; says so on stderr when not.
bool check_traffic(const std::vector<json>& kernels, const char* path) {
  constexpr double most_over_floor = 1.1;
  std::vector<Allowance> allowances = read_allowances(path);
  bool good = true;
  for (const json& kernel : kernels) {
    const double floor = number(kernel, "global_bytes_floor");
    const double over = floor > 0 ? number(kernel, "global_bytes_moved") / floor : 1;
    if (floor < least_bytes || over <= most_over_floor) continue;
    const std::string name = short_name(kernel.at("name"));
    double allowed = most_over_floor;
    for (Allowance& entry : allowances) {
      if (fnmatch(entry.pattern.c_str(), name.c_str(), 0) != 0) continue;
      entry.used = true;
      allowed = std::max(allowed, entry.ratio);
    }
    if (over <= allowed) continue;
    good = false;
    std::fprintf(stderr, "%s",
                 fmt::format("traffic_table: {} moves {:.2f} times what it must, and may {:.2f} times\n",
                             name, over, allowed)
                     .c_str());
  }
  for (const Allowance& entry : allowances) {
    if (entry.used) continue;
    good = false;
    std::fprintf(stderr, "%s",
                 fmt::format("traffic_table: no kernel needs \"{}\" of {}\n", entry.pattern, path).c_str());
  }
  return good;
}

/// Returns the report's kernels.
std::vector<json> print_report(const char* path) {
  std::ifstream file = open_file(path);
  const json report = json::parse(file);
  if (!report.at("marked_region").get<bool>()) {
    throw std::runtime_error(fmt::format("{} covers the whole program: no region was marked", path));
  }

  fmt::print("{}:\n\n", std::filesystem::path(path).stem().string());
  std::vector<json> kernels = report.at("kernels");
  std::sort(kernels.begin(), kernels.end(), [](const json& a, const json& b) {
    return number(a, "global_bytes_moved") > number(b, "global_bytes_moved");
  });
  fmt::print("{:>8} {:>9} {:>11} {:>11} {:>9} {:>7} {:>9} {:>6}  {}\n", "launches", "blocks x",
             "loads:", "stores:", "KiB", "over", "shared:", "lanes", "kernel");
  fmt::print("{:>8} {:>9} {:>11} {:>11} {:>9} {:>7} {:>9} {:>6}\n", "", "threads", "sect./req.", "sect./req.",
             "moved", "floor", "conflicts", "active");
  for (const json& kernel : kernels) print_kernel(short_name(kernel.at("name")), kernel);
  print_kernel("total", report.at("total"));

  fmt::print("\n");
  fmt::print("kernel launches: {}\n", report.at("total").at("launches").get<std::int64_t>());
  for (const auto& [name, call] : report.at("blas").items()) {
    fmt::print("{}: {} calls, {:.1f} MFLOP, {:.1f} KiB\n", name, call.at("calls").get<std::int64_t>(),
               number(call, "flops") / 1e6, number(call, "bytes") / 1024);
  }
  if (report.at("copies").empty()) fmt::print("no copies\n");
  for (const auto& [name, copy] : report.at("copies").items()) {
    fmt::print("copies, {}: {} calls, {:.1f} KiB\n", name, copy.at("calls").get<std::int64_t>(),
               number(copy, "bytes") / 1024);
  }
  std::int64_t calls = 0;
  std::string names;
  for (const auto& [name, count] : report.at("api_calls").items()) {
    calls += count.get<std::int64_t>();
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", count.get<std::int64_t>(), name);
  }
  fmt::print("API calls: {} ({})\n\n", calls, names);
  return kernels;
}

void print_legend() {
  fmt::print(
      R"(sect./req.: 32-byte sectors per access of a warp / the bytes asked for, as sectors (the first is larger
where lanes waste parts of sectors, and smaller where they read the same). moved: by loads and stores,
before any cache. over floor: moved, over each sector once per launch. conflicts: shared-memory wavefronts
over the least. active: lanes per instruction, of 32. Kernels of cuBLAS are not simulated.
)");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) throw std::runtime_error("expected a list of exceptions and reports of ptxsim");
    std::vector<json> kernels;
    for (int i = 2; i < argc; ++i) {
      for (json& kernel : print_report(argv[i])) kernels.push_back(std::move(kernel));
    }
    print_legend();
    const bool traffic = check_traffic(kernels, argv[1]);
    return check_conflicts(kernels) && traffic ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "traffic_table: %s\n", error.what());
    return 1;
  }
}
