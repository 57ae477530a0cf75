#include "emulation/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "emulation/control.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/sanitizer.h"

namespace gnn::emulation {
namespace {

constexpr std::size_t alignment = 256;
constexpr std::size_t gap = 256;  // at least, behind every allocation
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t reserved = std::size_t{128} << 30;  // addresses of a device
constexpr std::size_t window = std::size_t{512} << 20;    // addresses before low ones are used again
constexpr std::size_t large = std::size_t{64}
                              << 20;  // blocks from here on are not filled, and not kept when freed
constexpr int poison = 0xff;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

struct Block {
  std::size_t bytes = 0;
  bool live = false;
  std::size_t extent() const { return round_up(bytes + gap, alignment); }
};

/// The memory of one device.
class Arena {
 public:
  Arena() {
    void* start =
        mmap(nullptr, reserved + huge_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
      std::perror("emulated CUDA: cannot reserve addresses for device memory");
      std::abort();
    }
    base_ = reinterpret_cast<char*>(round_up(reinterpret_cast<std::uintptr_t>(start), huge_page));
    cursor_ = base_;
    madvise(base_, reserved, MADV_HUGEPAGE);
  }

  bool contains(const char* address) const { return address >= base_ && address < base_ + reserved; }
  std::size_t in_use() const { return in_use_; }
  const std::map<char*, Block>& blocks() const { return blocks_; }

  /// Opens or closes all that has ever been used.
  void set_access(bool open) const {
    if (top_ > 0 && mprotect(base_, top_, open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) {
      std::perror("emulated CUDA: mprotect");
      std::abort();
    }
  }

  void* allocate(std::size_t bytes) {
    const Block block{bytes, true};
    char* data = find_gap(block.extent());
    if (data == nullptr) return nullptr;
    cursor_ = data + block.extent();
    // Records of freed blocks whose addresses are used again.
    auto old = blocks_.lower_bound(data);
    if (old != blocks_.begin() && std::prev(old)->first + std::prev(old)->second.extent() > data) --old;
    while (old != blocks_.end() && old->first < cursor_) old = blocks_.erase(old);
    blocks_[data] = block;
    in_use_ += bytes;
    top_ = std::max(top_, round_up(static_cast<std::size_t>(cursor_ - base_), huge_page));
    const DeviceAccess access;  // opens what is new as well
    set_access(true);
    allow_access(data, block.extent());
    fill(data, bytes);
    std::memset(data + bytes, poison, block.extent() - bytes);
    forbid_access(data + bytes, block.extent() - bytes);
    return data;
  }

  void free(char* data, Block& block) {
    const DeviceAccess access;
    allow_access(data + block.bytes, block.extent() - block.bytes);
    for (std::size_t i = block.bytes; i < block.extent(); ++i) {
      if (static_cast<unsigned char>(data[i]) == poison) continue;
      report("memory was written " + std::to_string(i - block.bytes) +
             " bytes behind the end of an allocation of " + std::to_string(block.bytes) + " bytes at " +
             describe(data));
      break;
    }
    block.live = false;
    in_use_ -= block.bytes;
    fill(data, block.bytes);
    forbid_access(data, block.extent());
    // Not for every block: the system would split its huge pages, and every mprotect would take as long as
    // all of them.
    if (block.bytes >= large) madvise(data, block.bytes, MADV_DONTNEED);
  }

 private:
  static void fill(char* data, std::size_t bytes) {
    if (bytes < large) std::memset(data, poison, bytes);
  }

  /// The first place at or behind the cursor that no live block uses.
  char* find_gap(std::size_t extent) {
    for (const std::size_t limit : {window, reserved}) {
      for (char* from : {cursor_, base_}) {
        char* place = from;
        for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
          if (!block->second.live || block->first + block->second.extent() <= place) continue;
          if (place + extent <= block->first) break;
          place = block->first + block->second.extent();
        }
        if (place + extent <= base_ + limit) return place;
      }
    }
    return nullptr;
  }

  char* base_ = nullptr;
  char* cursor_ = nullptr;
  std::size_t top_ = 0;  // bytes from the base that were ever used
  std::size_t in_use_ = 0;
  std::map<char*, Block> blocks_;  // live ones, and those freed whose addresses were not used again
};

std::vector<std::unique_ptr<Arena>>& arenas() {
  static auto& all = *new std::vector<std::unique_ptr<Arena>>;
  if (all.empty()) {
    for (int i = 0; i < options().devices; ++i) all.push_back(std::make_unique<Arena>());
  }
  return all;
}

std::map<char*, std::size_t>& pinned_blocks() {
  static auto& blocks = *new std::map<char*, std::size_t>;
  return blocks;
}

int open_scopes = 0;

std::string hex(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

}  // namespace

DeviceAccess::DeviceAccess() {
  if (open_scopes++ > 0) return;
  for (const auto& arena : arenas()) arena->set_access(true);
}

DeviceAccess::~DeviceAccess() {
  if (--open_scopes > 0) return;
  for (const auto& arena : arenas()) arena->set_access(false);
}

Location locate(const void* address) {
  char* const at = const_cast<char*>(static_cast<const char*>(address));
  const auto& pinned = pinned_blocks();
  if (auto next = pinned.upper_bound(at); next != pinned.begin()) {
    const auto& [data, bytes] = *std::prev(next);
    if (at < data + std::max<std::size_t>(bytes, 1)) return {Place::pinned, -1, data, bytes, true};
  }
  for (std::size_t i = 0; i < arenas().size(); ++i) {
    const Arena& arena = *arenas()[i];
    if (!arena.contains(at)) continue;
    Location result{Place::device, static_cast<int>(i), nullptr, 0, false};
    const auto& blocks = arena.blocks();
    if (auto next = blocks.upper_bound(at); next != blocks.begin()) {
      const auto& [data, block] = *std::prev(next);
      result.data = data;
      result.bytes = block.bytes;
      result.live = block.live && at <= data + block.bytes;
    }
    return result;
  }
  return {};
}

std::string describe(const void* address) {
  const Location at = locate(address);
  const std::string text = hex(address);
  if (at.place == Place::host) return text + " (host memory)";
  if (at.place == Place::pinned) return text + " (pinned host memory)";
  const std::string device = " on device " + std::to_string(at.device);
  if (at.data == nullptr) return text + " (device memory that was never allocated," + device + ")";
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - at.data);
  std::string where = "at byte " + std::to_string(offset);
  if (offset >= at.bytes) where = std::to_string(offset - at.bytes) + " bytes behind the end";
  const bool freed = !at.live && offset <= at.bytes;
  return text + " (" + where + " of " + (freed ? "a freed" : "an") + " allocation of " +
         std::to_string(at.bytes) + " bytes" + device + ")";
}

std::string range_problem(const void* data, std::size_t bytes, bool on_device) {
  if (bytes == 0) return "";
  const Location at = locate(data);
  if (at.place == Place::pinned) {
    const auto* end = static_cast<const char*>(data) + bytes;
    if (end > at.data + at.bytes)
      return std::to_string(bytes) + " bytes at " + describe(data) + " go past its end";
    return "";
  }
  if (on_device != (at.place == Place::device)) {
    return describe(data) + (on_device ? " is not device memory" : " is not host memory");
  }
  if (on_device && (!at.live || static_cast<const char*>(data) + bytes > at.data + at.bytes)) {
    return std::to_string(bytes) + " bytes at " + describe(data) + " are not inside one live allocation";
  }
  return "";
}

cudaError_t allocate_device(int device, std::size_t bytes, void** data) {
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::allocation, injected)) return injected;
  Arena& arena = *arenas()[static_cast<std::size_t>(device)];
  if (bytes > options().memory - std::min(arena.in_use(), options().memory)) return cudaErrorMemoryAllocation;
  *data = arena.allocate(bytes);
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t free_device(void* data) {
  if (data == nullptr) return cudaSuccess;
  const Location at = locate(data);
  if (at.place != Place::device || !at.live || at.data != data) {
    report("free of " + describe(data) + ", which is not the start of a live device allocation");
    return cudaErrorInvalidValue;
  }
  Arena& arena = *arenas()[static_cast<std::size_t>(at.device)];
  arena.free(static_cast<char*>(data),
             const_cast<Block&>(arena.blocks().find(static_cast<char*>(data))->second));
  return cudaSuccess;
}

cudaError_t allocate_pinned(std::size_t bytes, void** data) {
  *data = nullptr;
  cudaError_t injected = cudaSuccess;
  if (fails_by_injection(Call::allocation, injected)) return injected;
  if (bytes == 0) return cudaSuccess;
  void* memory = std::aligned_alloc(alignment, round_up(bytes, alignment));
  if (memory == nullptr) return cudaErrorMemoryAllocation;
  std::memset(memory, poison, bytes);
  pinned_blocks()[static_cast<char*>(memory)] = bytes;
  *data = memory;
  return cudaSuccess;
}

cudaError_t free_pinned(void* data) {
  if (data == nullptr) return cudaSuccess;
  const auto found = pinned_blocks().find(static_cast<char*>(data));
  if (found == pinned_blocks().end()) {
    report("cudaFreeHost of " + describe(data) + ", which is not the start of a live pinned allocation");
    return cudaErrorInvalidValue;
  }
  std::memset(data, poison, found->second);
  pinned_blocks().erase(found);
  std::free(data);
  return cudaSuccess;
}

void free_everything() {
  for (const auto& arena : arenas()) {
    for (auto& [data, block] : arena->blocks()) {
      if (block.live) arena->free(data, const_cast<Block&>(block));
    }
  }
}

std::size_t bytes_in_use(int device) {
  return arenas()[static_cast<std::size_t>(device)]->in_use();
}

std::size_t count_live_allocations() {
  std::size_t count = pinned_blocks().size();
  for (const auto& arena : arenas()) {
    for (const auto& [data, block] : arena->blocks()) count += block.live;
  }
  return count;
}

std::size_t live_allocations() {
  const std::lock_guard lock(runtime_mutex());
  return count_live_allocations();
}

}  // namespace gnn::emulation
