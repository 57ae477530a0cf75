#include "emulation/shared_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "emulation/device.h"
#include "emulation/sanitizer.h"
#include "emulation/scheduler.h"

namespace gnn::emulation {
namespace {

constexpr std::size_t gap = 256;  // behind every array
// Blocks that may be compared with each other: with TSan every block has its own addresses until this is used
// up.
constexpr std::size_t ring_bytes = with_tsan ? std::size_t{128} << 20 : std::size_t{1} << 20;
constexpr std::size_t most_bytes = 512 << 10;  // of one block, with gaps

char* ring() {
  static char* const memory = [] {
    void* data =
        mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) std::abort();
    forbid_access(data, ring_bytes);
    return static_cast<char*>(data);
  }();
  return memory;
}

std::uint64_t launch = 0;
std::size_t base = 0;          // of the block's memory in the ring
std::size_t used = 0;          // of it, with gaps
std::size_t static_bytes = 0;  // without gaps
std::size_t dynamic_bytes = 0;

/// Not memset: TSan would take it for an access of the running CUDA thread.
void poison(char* data, std::size_t bytes) {
  auto* words = reinterpret_cast<volatile std::uint64_t*>(data);
  for (std::size_t i = 0; i < (bytes + 7) / 8; ++i) words[i] = ~std::uint64_t{0};
}

std::size_t take(std::size_t bytes, std::size_t alignment) {
  const std::size_t offset = (used + alignment - 1) / alignment * alignment;
  used = (offset + bytes + gap + 255) / 256 * 256;
  if (used > most_bytes) fail_thread("the shared arrays of the kernel take more than the emulator can hold");
  allow_access(ring() + base + offset, bytes);
  poison(ring() + base + offset, bytes);
  return offset;
}

/// With TSan, past what the block before used. Where the ring ends, blocks get the addresses of blocks long
/// ago: an earlier launch, mostly, which the stream orders.
void advance() {
  if constexpr (with_tsan) {
    base += used;
    if (base + most_bytes > ring_bytes) base = 0;
  }
}

}  // namespace

void start_shared_memory(std::size_t bytes) {
  ++launch;
  forbid_access(ring() + base, used);
  advance();
  used = static_bytes = 0;
  dynamic_bytes = bytes;
  if (bytes > 0) take(bytes, 256);
}

void renew_shared_memory() {
  advance();
  poison(ring() + base, used);  // the gaps as well, which stay closed
}

void* shared_memory(SharedSlot& slot) {
  if (slot.launch != launch) {
    slot.launch = launch;
    static_bytes += slot.bytes;
    if (static_bytes > static_shared_limit) {
      fail_thread("the static shared arrays of the kernel take " + std::to_string(static_bytes) +
                  " bytes; the limit is " + std::to_string(static_shared_limit));
    }
    slot.offset = take(slot.bytes, slot.alignment < 16 ? 16 : slot.alignment);
  }
  return ring() + base + slot.offset;
}

void* dynamic_shared_memory() {
  if (dynamic_bytes == 0) fail_thread("the kernel uses dynamic shared memory, but was launched without any");
  return ring() + base;
}

}  // namespace gnn::emulation
