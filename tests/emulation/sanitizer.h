#pragma once

// What the runtime tells the sanitizers. It is not instrumented itself: GNN_EMULATION_ASAN and
// GNN_EMULATION_TSAN say what the kernels are compiled with.
//
// TSan sees every CUDA thread and every stream as a thread of its own (a context). Contexts are ordered by
// nothing but the release and acquire calls that the runtime makes where CUDA orders them.

#include <cstddef>

#if defined(GNN_EMULATION_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GNN_EMULATION_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace gnn::emulation {

#if defined(GNN_EMULATION_ASAN)
inline constexpr bool with_asan = true;
inline void forbid_access(const void* data, std::size_t bytes) {
  __asan_poison_memory_region(data, bytes);
}
inline void allow_access(const void* data, std::size_t bytes) {
  __asan_unpoison_memory_region(data, bytes);
}
#else
inline constexpr bool with_asan = false;
inline void forbid_access(const void*, std::size_t) {}
inline void allow_access(const void*, std::size_t) {}
#endif

#if defined(GNN_EMULATION_TSAN)
inline constexpr bool with_tsan = true;
using Context = void*;
inline Context new_context() {
  return __tsan_create_fiber(0);
}
inline Context current_context() {
  return __tsan_get_current_fiber();
}
inline void switch_to_context(Context context) {
  __tsan_switch_to_fiber(context, __tsan_switch_to_fiber_no_sync);
}
inline void acquire(void* object) {
  __tsan_acquire(object);
}
inline void release(void* object) {
  __tsan_release(object);
}
extern "C" void __tsan_read_range(void* address, unsigned long size);
extern "C" void __tsan_write_range(void* address, unsigned long size);
inline void note_read(const void* data, std::size_t bytes) {
  __tsan_read_range(const_cast<void*>(data), bytes);
}
inline void note_write(void* data, std::size_t bytes) {
  __tsan_write_range(data, bytes);
}
#else
inline constexpr bool with_tsan = false;
using Context = void*;
inline Context new_context() {
  return nullptr;
}
inline Context current_context() {
  return nullptr;
}
inline void switch_to_context(Context) {}
inline void acquire(void*) {}
inline void release(void*) {}
inline void note_read(const void*, std::size_t) {}
inline void note_write(void*, std::size_t) {}
#endif

}  // namespace gnn::emulation
