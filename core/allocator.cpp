#include "gnn/core/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "gnn/core/backend.h"
#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/core/guard_bands.h"
#include "gnn/core/memory_block.h"

namespace gnn {
namespace {

constexpr std::size_t kibibyte = 1024;
constexpr std::size_t mebibyte = 1024 * kibibyte;
constexpr std::size_t granularity = 512;
constexpr std::size_t small_limit = mebibyte;  // blocks below are cut from small segments
constexpr std::size_t small_segment = 2 * mebibyte;
constexpr std::size_t medium_limit = 10 * mebibyte;  // blocks below are cut from medium segments
constexpr std::size_t medium_segment = 20 * mebibyte;

bool guard_bands_on = false;  // written by tests between allocations only

/// Written by tests between allocations only.
bool& caching_on() {
  static bool on = [] {
    const char* value = std::getenv("GNN_NO_CACHING");
    return value == nullptr || std::string_view(value).empty() || std::string_view(value) == "0";
  }();
  return on;
}

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

class CachingAllocator {
 public:
  explicit CachingAllocator(Device device)
      : device_(device),
        driver_(device.is_cpu() ? cpu_backend() : backend(device)),
        guards_(device, driver_) {}

  void* allocate(std::size_t bytes, const Stream& stream) {
    if (bytes == 0) return nullptr;
    check<OutOfMemoryError>(bytes < (std::size_t{1} << 60), "cannot allocate {} bytes on {}", bytes, device_);
    const std::lock_guard lock(mutex_);
    reclaim_pending();
    const std::size_t guards = guard_bands_on ? 2 * guard_bytes : 0;
    const std::size_t size = caching_on() ? round_up(bytes + guards, granularity) : bytes + guards;
    Block* block = take(size, stream, bytes);
    block->guarded = guards == 0 ? 0 : bytes;
    stats_.allocations++;
    stats_.allocated_bytes += static_cast<std::int64_t>(block->size);
    stats_.peak_allocated_bytes = std::max(stats_.peak_allocated_bytes, stats_.allocated_bytes);
    if (guards != 0) guards_.write(block->data, block->guarded, block->stream);
    std::byte* data = block->data + guards / 2;
    live_.emplace(data, block);
    return data;
  }

  void deallocate(void* data) {
    if (data == nullptr) return;
    const std::lock_guard lock(mutex_);
    const auto found = live_.find(data);
    if (found == live_.end()) {
      violations_.push_back(fmt::format("{}: {} was freed, but is not a live block", device_, data));
      return;
    }
    Block* block = found->second;
    live_.erase(found);
    if (block->guarded != 0 && Capture::current() == nullptr) verify_guards(*block);
    stats_.allocated_bytes -= static_cast<std::int64_t>(block->size);
    if (!block->cached) {
      wait_for(*block);
      return_segment(block);
      return;
    }
    if (block->used_by.empty()) {
      release(block);
      return;
    }
    for (const Stream& stream : block->used_by) {
      block->pending.emplace_back(device_).record(stream);
    }
    block->used_by.clear();
    pending_.push_back(block);
  }

  void record_stream(void* data, const Stream& stream) {
    const std::lock_guard lock(mutex_);
    const auto found = live_.find(data);
    if (found == live_.end() || is_held(stream.native()))
      return;  // somebody else's memory; nothing runs there
    Block& block = *found->second;
    if (stream.native() == block.stream) return;
    if (std::find(block.used_by.begin(), block.used_by.end(), stream) == block.used_by.end()) {
      block.used_by.push_back(stream);
    }
  }

  void empty_cache() {
    const std::lock_guard lock(mutex_);
    return_segments();
  }

  MemoryStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peaks() {
    const std::lock_guard lock(mutex_);
    stats_.peak_allocated_bytes = stats_.allocated_bytes;
    stats_.peak_reserved_bytes = stats_.reserved_bytes;
  }

  void set_limit(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    limit_ = bytes;
  }

  void hold(const Stream& stream) {
    const std::lock_guard lock(mutex_);
    held_.push_back(stream.native());
  }

  void release_held(const Stream& stream) {
    const std::lock_guard lock(mutex_);
    std::erase(held_, stream.native());
    for (const auto& block : blocks_) {
      if (block->data != nullptr && block->stream == stream.native()) block->retired = true;
    }
    return_segments_if([&](const Block& block) { return block.stream == stream.native(); });
  }

  void forget_guards(const Stream& stream) {
    const std::lock_guard lock(mutex_);
    for (const auto& [data, block] : live_) {
      if (block->stream == stream.native()) block->guarded = 0;
    }
  }

  std::vector<std::string> check_guards() {
    const std::lock_guard lock(mutex_);
    for (const auto& [data, block] : live_) {
      if (block->guarded != 0) verify_guards(*block);
    }
    return std::exchange(violations_, {});
  }

 private:
  /// A live block of at least `size` bytes, from the cache or the driver.
  Block* take(std::size_t size, const Stream& stream, std::size_t requested) {
    Block* block = caching_on() ? find_free(size, stream) : nullptr;
    if (block == nullptr) block = new_segment(size, stream);
    if (block == nullptr && Capture::current() == nullptr) {  // memory cannot be given back while recording
      return_segments();
      block = new_segment(size, stream);
    }
    if (block == nullptr) {
      fail<OutOfMemoryError>(
          "out of memory on {}: {} bytes were asked for; {} bytes are in use, {} bytes are held from the "
          "driver "
          "after returning the cache{}. Use a smaller batch or free tensors first.",
          device_, requested, stats_.allocated_bytes, stats_.reserved_bytes,
          limit_ == 0 ? "" : fmt::format(", the limit is {} bytes", limit_));
    }
    free_.erase(block);
    block->free = false;
    if (block->cached) split(block, size);
    return block;
  }

  Block* find_free(std::size_t size, const Stream& stream) {
    Block key;
    key.stream = stream.native();
    key.small = size < small_limit;
    key.size = size;
    const auto found = free_.lower_bound(&key);
    if (found == free_.end() || (*found)->stream != key.stream || (*found)->small != key.small)
      return nullptr;
    return *found;
  }

  /// A free block that is a whole new segment; nullptr when the driver has no memory or the limit is reached.
  Block* new_segment(std::size_t size, const Stream& stream) {
    const std::size_t bytes = !caching_on()         ? size
                              : size < small_limit  ? small_segment
                              : size < medium_limit ? medium_segment
                                                    : round_up(size, 2 * mebibyte);
    if (limit_ != 0 && static_cast<std::size_t>(stats_.reserved_bytes) + bytes > limit_) return nullptr;
    void* data = driver_.allocate(device_.index, bytes);
    if (data == nullptr) return nullptr;
    stats_.driver_allocations++;
    stats_.reserved_bytes += static_cast<std::int64_t>(bytes);
    stats_.peak_reserved_bytes = std::max(stats_.peak_reserved_bytes, stats_.reserved_bytes);
    Block* block = new_block();
    block->data = static_cast<std::byte*>(data);
    block->size = bytes;
    block->stream = stream.native();
    block->owner = stream;
    block->cached = caching_on();
    block->small = size < small_limit;
    block->free = true;
    free_.insert(block);
    return block;
  }

  /// Block descriptors are recycled, so that splitting and merging in a steady state allocate nothing.
  Block* new_block() {
    if (spare_.empty()) return blocks_.emplace_back(std::make_unique<Block>()).get();
    Block* block = spare_.back();
    spare_.pop_back();
    return block;
  }

  /// Cuts what is beyond `size` off a live block, when it is worth keeping.
  void split(Block* block, std::size_t size) {
    const std::size_t rest = block->size - size;
    if (block->small ? rest < granularity : rest <= small_limit) return;
    Block* tail = new_block();
    tail->data = block->data + size;
    tail->size = rest;
    tail->stream = block->stream;
    tail->owner = block->owner;
    tail->small = block->small;
    tail->retired = block->retired;
    tail->previous = block;
    tail->next = block->next;
    if (tail->next != nullptr) tail->next->previous = tail;
    block->next = tail;
    block->size = size;
    tail->free = true;
    free_.insert(tail);
  }

  /// Puts a block into its pool, merged with free neighbours.
  void release(Block* block) {
    if (Block* next = block->next; next != nullptr && next->free) {
      free_.erase(next);
      absorb_next(block);
    }
    if (Block* previous = block->previous; previous != nullptr && previous->free) {
      free_.erase(previous);
      block = previous;
      absorb_next(block);
    }
    if (block->retired && is_segment(*block) && Capture::current() == nullptr) {
      driver_.synchronize(device_.index);
      return_segment(block);
      return;
    }
    block->free = true;
    free_.insert(block);
  }

  static bool is_segment(const Block& block) { return block.previous == nullptr && block.next == nullptr; }

  bool is_held(const void* stream) const {
    return std::find(held_.begin(), held_.end(), stream) != held_.end();
  }

  void absorb_next(Block* block) {
    Block* next = block->next;
    block->size += next->size;
    block->next = next->next;
    if (block->next != nullptr) block->next->previous = block;
    delete_block(next);
  }

  void delete_block(Block* block) {
    *block = Block{};
    spare_.push_back(block);
  }

  void reclaim_pending() {
    if (Capture::current() != nullptr) return;  // events cannot be asked
    std::erase_if(pending_, [this](Block* block) {
      for (const Event& event : block->pending) {
        if (!event.done()) return false;
      }
      block->pending.clear();
      release(block);
      return true;
    });
  }

  /// Returns every segment that is one free block, but for those that are held.
  void return_segments() {
    if (!pending_.empty()) {
      driver_.synchronize(device_.index);
      reclaim_pending();
    }
    return_segments_if([this](const Block& block) { return !is_held(block.stream); });
  }

  template <class Condition>
  void return_segments_if(const Condition& condition) {
    std::vector<Block*> unused;
    for (Block* block : free_) {
      if (is_segment(*block) && condition(*block)) unused.push_back(block);
    }
    if (unused.empty()) return;
    driver_.synchronize(device_.index);  // queued work may still use what was freed in stream order
    for (Block* block : unused) {
      free_.erase(block);
      return_segment(block);
    }
  }

  /// Returns a block that is a whole segment and in no list.
  void return_segment(Block* block) {
    driver_.deallocate(device_.index, block->data);
    stats_.driver_frees++;
    stats_.reserved_bytes -= static_cast<std::int64_t>(block->size);
    delete_block(block);
  }

  /// Blocks the host until the streams that used the block are done with what was issued to them.
  void wait_for(const Block& block) {
    driver_.synchronize_stream(device_.index, block.stream);
    for (const Stream& stream : block.used_by) driver_.synchronize_stream(device_.index, stream.native());
  }

  void verify_guards(const Block& block) {
    // The graph that writes the guard bands of held memory runs on another stream.
    if (block.retired || is_held(block.stream)) driver_.synchronize(device_.index);
    guards_.verify(block.data, block.guarded, block.stream, violations_);
  }

  const Device device_;
  Backend& driver_;
  const GuardBands guards_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> blocks_;  // all descriptors ever made
  std::vector<Block*> spare_;                   // those not in use
  std::set<Block*, BySize> free_;
  std::unordered_map<void*, Block*> live_;
  std::vector<Block*> pending_;
  std::vector<void*> held_;  // streams
  std::vector<std::string> violations_;
  MemoryStats stats_;
  std::size_t limit_ = 0;
};

/// The allocators live until the process ends: tensors in static variables may be freed after main.
CachingAllocator& allocator_of(Device device) {
  static std::mutex mutex;
  static auto& cpu = *new CachingAllocator(Device::cpu());
  static auto& cuda = *new std::map<int, std::unique_ptr<CachingAllocator>>;
  if (device.is_cpu()) return cpu;
  const std::lock_guard lock(mutex);
  std::unique_ptr<CachingAllocator>& slot = cuda[device.index];
  if (slot == nullptr) slot = std::make_unique<CachingAllocator>(device);
  return *slot;
}

}  // namespace

MemoryStats memory_stats(Device device) {
  return allocator_of(device).stats();
}

void reset_peak_stats(Device device) {
  allocator_of(device).reset_peaks();
}

void empty_cache(Device device) {
  forbid_in_capture("empty_cache", "memory cannot be given back while recording");
  allocator_of(device).empty_cache();
}

void set_memory_limit(Device device, std::size_t bytes) {
  allocator_of(device).set_limit(bytes);
}

bool set_caching(bool on) {
  return std::exchange(caching_on(), on);
}

bool caching_enabled() {
  return caching_on();
}

bool set_guard_bands(bool on) {
  return std::exchange(guard_bands_on, on);
}

std::vector<std::string> check_guard_bands(Device device) {
  return allocator_of(device).check_guards();
}

namespace detail {

void* allocate(Device device, std::size_t bytes, const Stream& stream) {
  return allocator_of(device).allocate(bytes, stream);
}

void deallocate(Device device, void* data) noexcept {
  try {
    allocator_of(device).deallocate(data);
  } catch (...) {
    // A device that failed for good cannot free; the error was or will be thrown by the call that meets it.
  }
}

void record_stream(Device device, void* data, const Stream& stream) {
  allocator_of(device).record_stream(data, stream);
}

void hold_memory(const Stream& stream) {
  allocator_of(stream.device()).hold(stream);
}

void release_memory(const Stream& stream) noexcept {
  try {
    allocator_of(stream.device()).release_held(stream);
  } catch (...) {  // as deallocate
  }
}

void forget_guard_bands(const Stream& stream) noexcept {
  allocator_of(stream.device()).forget_guards(stream);
}

}  // namespace detail
}  // namespace gnn
