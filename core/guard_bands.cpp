#include "gnn/core/guard_bands.h"

#include <algorithm>

#include "gnn/core/check.h"

namespace gnn {
namespace {

constexpr int guard_value = 0xa5;
constexpr int poison_value = 0xff;

}  // namespace

void GuardBands::write(std::byte* data, std::size_t bytes, void* stream) const {
  const int index = device_.index;
  driver_.fill_bytes(index, data, guard_value, guard_bytes, stream);
  driver_.fill_bytes(index, data + guard_bytes, poison_value, bytes, stream);
  driver_.fill_bytes(index, data + guard_bytes + bytes, guard_value, guard_bytes, stream);
}

void GuardBands::verify(const std::byte* data, std::size_t bytes, void* stream,
                        std::vector<std::string>& violations) const {
  std::byte band[guard_bytes];
  for (const bool behind : {false, true}) {
    driver_.copy_to_host(device_.index, band, data + (behind ? guard_bytes + bytes : 0), guard_bytes, stream);
    const auto* bad = std::find_if(band, band + guard_bytes,
                                   [](std::byte value) { return value != std::byte{guard_value}; });
    if (bad == band + guard_bytes) continue;
    violations.push_back(fmt::format("{}: a write {} bytes {} a block of {} bytes", device_,
                                     behind ? bad - band + 1 : band + guard_bytes - bad,
                                     behind ? "behind the end of" : "before the start of", bytes));
  }
}

}  // namespace gnn
