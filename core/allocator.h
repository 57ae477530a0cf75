#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gnn/core/device.h"
#include "gnn/core/export.h"
#include "gnn/core/stream.h"

// The caching, stream-ordered allocator: one per device, the same code for the CPU and for CUDA.
//
// * A block belongs to the stream that was current when it was allocated. Freed, it goes back to that
// stream's
//   pool at once and is handed out again on the same stream only, so that work already queued on the stream
//   is done with it before new work touches it: no synchronisation is needed. A block that other streams used
//   as well (Tensor::record_stream) is kept back until the work issued to them by then is done.
// * Sizes are rounded up to 512 bytes. Blocks under 1 MiB are cut from 2 MiB segments, those under 10 MiB
// from
//   20 MiB segments, larger ones come from a segment of their own, rounded to 2 MiB. The smallest free block
//   that fits is taken; what is left of it becomes a free block when it is at least 512 bytes (in a segment
//   for blocks of 1 MiB and more: when it is more than 1 MiB). Free neighbours are merged.
// * Segments come from the driver and go back only through empty_cache() or when the driver has no memory
// left:
//   then all unused segments of the device are returned and the request is tried once more; if that fails as
//   well, OutOfMemoryError is thrown with the numbers, and nothing has changed.
// * While a thread captures a step (core/capture.h), it allocates on a stream of its own, whose memory is
// held:
//   what is freed there is handed out to that recording and later ones of its pool only, and never returned
//   to the driver, because replays go on using the addresses. When the pool ends, its memory goes back to the
//   driver, and the rest as soon as the tensors that still are in it are freed. Memory that a recording needs
//   and the pool does not have comes from the driver; nothing is returned to the driver then.
// * Memory is not cleared. All functions may be called from several threads.
//
// Without caching, for tools that watch memory (compute-sanitizer, AddressSanitizer …): with GNN_NO_CACHING
// set in the environment to anything but 0 when the process first allocates, or after set_caching(false),
// every block is a driver allocation of its own of exactly the requested size (and its guard bands), and goes
// back to the driver as soon as it is freed: the host waits for the block's stream and those that used it
// first. An access outside a tensor, or after its end, is then one outside of live driver memory. Slow, and
// the same results.

namespace gnn {

struct MemoryStats {
  std::int64_t allocated_bytes = 0;       ///< in live blocks, after rounding (without caching: exactly)
  std::int64_t reserved_bytes = 0;        ///< held from the driver, live and cached
  std::int64_t peak_allocated_bytes = 0;  ///< highest allocated_bytes since reset_peak_stats()
  std::int64_t peak_reserved_bytes = 0;   ///< highest reserved_bytes since reset_peak_stats()
  std::int64_t allocations = 0;           ///< blocks handed out so far
  std::int64_t driver_allocations = 0;    ///< segments asked from the driver so far
  std::int64_t driver_frees = 0;          ///< segments returned to the driver so far
};

/// The allocator's statistics for `device`.
GNN_API MemoryStats memory_stats(Device device);
/// Restarts the peaks at the present values.
GNN_API void reset_peak_stats(Device device);
/// Returns all unused segments to the driver.
GNN_API void empty_cache(Device device);
/// Lets the allocator of `device` hold at most `bytes` from the driver (0: no limit); beyond it acts as if
/// the driver had no memory left.
GNN_API void set_memory_limit(Device device, std::size_t bytes);

/// Turns caching (see above) on or off for blocks that are allocated from now on, whatever GNN_NO_CACHING
/// says; those that are live keep to what they were allocated with. Returns the previous setting.
GNN_API bool set_caching(bool on);
GNN_API bool caching_enabled();

/// Debugging aid: while on, every new block is filled with 0xff (NaN in every floating dtype, -1 in the
/// signed integers) and surrounded by 512-byte guard bands that are verified when it is freed and by
/// check_guard_bands(). Blocks that were allocated while it was off stay unguarded. Returns the previous
/// setting.
GNN_API bool set_guard_bands(bool on);
/// Verifies all live guarded blocks of `device`; returns one line per violation since the last call.
GNN_API std::vector<std::string> check_guard_bands(Device device);

namespace detail {
// What Storage calls. `allocate` returns nullptr for 0 bytes.
void* allocate(Device device, std::size_t bytes, const Stream& stream);
void deallocate(Device device, void* data) noexcept;
void record_stream(Device device, void* data, const Stream& stream);

// What captured steps call. Until release_memory, which waits for the device, the blocks of `stream` are kept
// for it. forget_guard_bands: nothing was written that was issued to `stream`.
void hold_memory(const Stream& stream);
void release_memory(const Stream& stream) noexcept;
void forget_guard_bands(const Stream& stream) noexcept;
}  // namespace detail

}  // namespace gnn
