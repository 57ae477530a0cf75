#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "gnn/core/backend.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t huge_page = std::size_t{2} << 20;

/// A request, which a system may turn down. The address translation of small pages misses the processor's
/// buffers all through a training step.
void ask_for_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#if defined(MADV_HUGEPAGE)
  madvise(data, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
}

/// The CPU: everything happens at once, streams are names, events are time points.
class CpuBackend final : public Backend {
 public:
  void* allocate(int, std::size_t bytes) override {
    // Not aligned_alloc: its size must be a multiple of the alignment, which would hide what is behind the
    // end.
    void* data = nullptr;
    const bool huge = bytes >= huge_page;
    if (posix_memalign(&data, huge ? huge_page : 4096, bytes) != 0) return nullptr;
    if (huge) ask_for_huge_pages(data, bytes);
    return data;
  }
  void deallocate(int, void* data) override { std::free(data); }

  void copy(int, void* target, const void* source, std::size_t bytes, void*) override {
    std::memmove(target, source, bytes);
  }
  void copy_from_host(int, void* target, const void* source, std::size_t bytes, void*) override {
    std::memmove(target, source, bytes);
  }
  void copy_to_host(int, void* target, const void* source, std::size_t bytes, void*) override {
    std::memmove(target, source, bytes);
  }
  void copy_peer(int, void* target, int, const void* source, std::size_t bytes, void*) override {
    std::memmove(target, source, bytes);
  }
  void fill_bytes(int, void* target, int value, std::size_t bytes, void*) override {
    std::memset(target, value, bytes);
  }

  void* create_stream(int) override { return new char; }
  void destroy_stream(int, void* native) override { delete static_cast<char*>(native); }
  void synchronize_stream(int, void*) override {}
  void synchronize(int) override {}

  void* create_event(int) override { return new Clock::time_point(Clock::now()); }
  void destroy_event(int, void* event) override { delete static_cast<Clock::time_point*>(event); }
  void record_event(int, void* event, void*) override {
    *static_cast<Clock::time_point*>(event) = Clock::now();
  }
  void wait_event(int, void*, void*) override {}
  void synchronize_event(int, void*) override {}
  bool event_done(int, void*) override { return true; }
  double milliseconds_between(int, void* start, void* end) override {
    return std::chrono::duration<double, std::milli>(*static_cast<Clock::time_point*>(end) -
                                                     *static_cast<Clock::time_point*>(start))
        .count();
  }

  // Nobody asks: a captured step on the CPU runs its function.
  void begin_capture(int, void*) override { fail<DeviceError>("work on the CPU cannot be captured"); }
  void* end_capture(int, void*) override { return nullptr; }
  void abandon_capture(int, void*) override {}
  void launch_graph(int, void*, void*) override {}
  void destroy_graph(int, void*) override {}

  void* allocate_pinned(std::size_t bytes) override { return allocate(0, bytes); }
  void deallocate_pinned(void* data) override { std::free(data); }
};

}  // namespace

Backend& cpu_backend() {
  static CpuBackend instance;
  return instance;
}

}  // namespace gnn
