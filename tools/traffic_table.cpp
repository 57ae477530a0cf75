// traffic_table REPORT.json: prints ptxsim's report of a marked region as tables.

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
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

void print_report(const char* path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("cannot read {}", path));
  const json report = json::parse(file);
  if (!report.at("marked_region").get<bool>()) {
    throw std::runtime_error(fmt::format("{} covers the whole program: no region was marked", path));
  }

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

  fmt::print(R"(
sect./req.: 32-byte sectors per access of a warp / the bytes asked for, as sectors (the first is larger
where lanes waste parts of sectors, and smaller where they read the same). moved: by loads and stores,
before any cache. over floor: moved, over each sector once per launch. conflicts: shared-memory wavefronts
over the least. active: lanes per instruction, of 32. Kernels of cuBLAS are not simulated.

)");
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
  fmt::print("API calls: {} ({})\n", calls, names);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::runtime_error("expected one argument, a report of ptxsim");
    print_report(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "traffic_table: %s\n", error.what());
    return 1;
  }
}
