#pragma once

#include <sys/mman.h>

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "emulation/sanitizer.h"

namespace gnn::emulation {

/// A stack on which CUDA threads run, one after another, until one of them must wait: it then keeps the
/// stack, and the scheduler takes another one. A fiber never ends.
class Fiber {
 public:
  static constexpr std::size_t stack_bytes = with_tsan ? 1 << 20 : with_asan ? 256 << 10 : 64 << 10;
  static constexpr std::size_t guard_bytes = 4096;

  /// `body(fiber)` is called when the fiber is first resumed, and must not return.
  template <class Body>
  explicit Fiber(const Body& body) : memory_(map_stack()) {
    const boost::context::stack_context stack = stack_context();
    resume_at_ =
        boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                              KeepStack{}, [this, body](boost::context::fiber&& scheduler) {
                                scheduler_ = std::move(scheduler);
                                arrive_in_fiber();
                                body(*this);
                                return std::move(scheduler_);
                              });
    context_ = new_context();
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// From the scheduler: runs until the fiber calls suspend().
  void resume() {
    const Context before = current_context();
    leave_to_fiber();
    switch_to_context(context_);
    resume_at_ = std::move(resume_at_).resume();
    switch_to_context(before);
    arrive_in_scheduler();
  }

  /// From the fiber: back to the scheduler.
  void suspend() {
    leave_to_scheduler();
    scheduler_ = std::move(scheduler_).resume();
    arrive_in_fiber();
  }

  bool guards(const void* address) const {
    return address >= memory_ && address < static_cast<char*>(memory_) + guard_bytes;
  }
  Context context() const { return context_; }

 private:
  struct KeepStack {
    boost::context::stack_context allocate() { return {}; }
    void deallocate(boost::context::stack_context&) {}
  };

  static void* map_stack() {
    void* memory = mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, guard_bytes, PROT_NONE);
    return memory;
  }
  boost::context::stack_context stack_context() const {
    boost::context::stack_context stack;
    stack.size = stack_bytes;
    stack.sp = static_cast<char*>(memory_) + guard_bytes + stack_bytes;
    return stack;
  }

#if defined(GNN_EMULATION_ASAN)
  void leave_to_fiber() {
    __sanitizer_start_switch_fiber(&scheduler_fake_stack_, static_cast<char*>(memory_) + guard_bytes,
                                   stack_bytes);
  }
  void arrive_in_fiber() {
    __sanitizer_finish_switch_fiber(fake_stack_, &scheduler_stack_, &scheduler_stack_bytes_);
  }
  void leave_to_scheduler() {
    __sanitizer_start_switch_fiber(&fake_stack_, scheduler_stack_, scheduler_stack_bytes_);
  }
  void arrive_in_scheduler() {
    __sanitizer_finish_switch_fiber(scheduler_fake_stack_, nullptr, nullptr);
  }
  void* fake_stack_ = nullptr;
  void* scheduler_fake_stack_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_stack_bytes_ = 0;
#else
  void leave_to_fiber() {}
  void arrive_in_fiber() {}
  void leave_to_scheduler() {}
  void arrive_in_scheduler() {}
#endif

  void* memory_;
  boost::context::fiber resume_at_;
  boost::context::fiber scheduler_;
  Context context_ = nullptr;
};

}  // namespace gnn::emulation
