#pragma once

// What the allocator keeps of a piece of memory. Not installed.

#include <cstddef>
#include <tuple>
#include <vector>

#include "gnn/core/stream.h"

namespace gnn {

/// A piece of a segment; the pieces of a segment form a list in address order.
struct Block {
  std::byte* data = nullptr;
  std::size_t size = 0;
  void* stream = nullptr;  // native handle of the stream that it belongs to
  bool cached = true;      // false: allocated without caching, goes back to the driver when freed
  bool small = false;      // in a small segment
  bool free = false;
  bool retired = false;  // goes back to the driver when its whole segment is free
  Block* previous = nullptr;
  Block* next = nullptr;
  std::size_t guarded = 0;        // bytes between the guard bands, 0: no guard bands
  Stream owner{};                 // keeps the native handle alive and unique
  std::vector<Stream> used_by{};  // other streams, since allocation
  std::vector<Event> pending{};   // freed, but these must be done first
};

struct BySize {
  // Same stream and kind of segment together, then by size; the address makes the order total and repeatable
  // within a segment.
  bool operator()(const Block* a, const Block* b) const {
    return std::tuple(a->stream, a->small, a->size, a->data) <
           std::tuple(b->stream, b->small, b->size, b->data);
  }
};

}  // namespace gnn
