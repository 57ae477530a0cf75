// Turns a segmentation fault into a sentence: host code that dereferences device memory, a kernel that
// dereferences what is no memory, a CUDA thread that overflows its stack. The program ends there, as the
// fault cannot be undone.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "emulation/memory.h"
#include "emulation/report.h"
#include "emulation/scheduler.h"

namespace gnn::emulation {
namespace {

struct sigaction previous;

void on_fault(int, siginfo_t* info, void*) {
  const void* const address = info->si_addr;
  const std::string thread = running_thread();
  std::string text;
  if (is_stack_guard(address)) {
    text = "a CUDA thread overflowed its stack [" + thread + "]";
  } else if (!thread.empty() && info->si_code == SI_KERNEL) {  // the processor names no address then
    text = "a kernel used a misaligned address in a vector access [" + thread + "]";
  } else if (!thread.empty()) {
    text = "a kernel used an illegal address: " + describe(address) + " [" + thread + "]";
  } else if (locate(address).place == Place::device) {
    text = "host code dereferenced device memory: " + describe(address) + "; copy it to the host first";
  }
  if (!text.empty()) report(text);
  sigaction(SIGSEGV, &previous, nullptr);  // the instruction faults again and meets what was there before
}

}  // namespace

/// Before the first call of the runtime: a constructor of the library, behind the sanitizers' own.
__attribute__((constructor)) void watch_faults() {
  // A stack of its own, as a CUDA thread's may be what overflowed. One: kernels run one at a time.
  static char stack[64 << 10];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous);
}

}  // namespace gnn::emulation
