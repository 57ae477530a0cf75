#include "emulation/options.h"

#include <cstdio>
#include <cstdlib>

namespace gnn::emulation {
namespace {

std::optional<std::uint64_t> number(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == 0) return std::nullopt;
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (*end != 0) {
    std::fprintf(stderr, "emulated CUDA: %s must be a number, not \"%s\"\n", variable, text);
    std::exit(2);
  }
  return value;
}

Options read_options() {
  Options result;
  result.seed = number("GNN_EMULATION_SEED");
  result.lazy = number("GNN_EMULATION_LAZY").value_or(0) != 0;
  result.devices = static_cast<int>(number("GNN_EMULATION_DEVICES").value_or(1));
  if (const auto mebibytes = number("GNN_EMULATION_MEMORY")) result.memory = *mebibytes << 20;
  result.driver = number("GNN_EMULATION_DRIVER");
  result.cudnn = number("GNN_EMULATION_CUDNN");
  result.device_code = number("GNN_EMULATION_DEVICE_CODE").value_or(1) != 0;
  return result;
}

}  // namespace

const Options& options() {
  static const Options result = read_options();
  return result;
}

std::mt19937_64& random_engine() {
  static std::mt19937_64 engine(options().seed.value_or(0));
  return engine;
}

std::recursive_mutex& runtime_mutex() {
  static auto& mutex = *new std::recursive_mutex;
  return mutex;
}

}  // namespace gnn::emulation
