#pragma once

#include <cstddef>
#include <string>

namespace gnn::emulation {

/// At the start of a launch with `dynamic_bytes` of dynamic shared memory.
void start_shared_memory(std::size_t dynamic_bytes);
/// Before each block: NaN everywhere, and with TSan other addresses than the blocks before.
void renew_shared_memory();

/// Ends the launch of the running CUDA thread (scheduler.cpp).
[[noreturn]] void fail_thread(const std::string& problem);

}  // namespace gnn::emulation
