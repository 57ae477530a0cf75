#pragma once

// One CUDA launch for many tensors: their addresses and sizes travel by value in the kernel's arguments, so
// that nothing is copied to the device first, and the work is cut into chunks of equal size, so that a bias
// of 10 elements and a weight of 10 million keep no block waiting.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {

/// Elements per chunk: eight per thread of a block, and a multiple of every vector width.
inline constexpr std::int64_t chunk_elements = 8 * elementwise_block;

/// The tensors of one launch: `Lists` tensors each (parameter, gradient, …) of the same size. Kernel
/// arguments hold 4 KiB, of which this takes all but 128 bytes, left to a kernel's other arguments.
template <int Lists>
struct MultiTensorTable {
  static constexpr int capacity = (4096 - 128 - 16) / (8 * Lists + 16);

  int tensors = 0;
  std::int64_t first_chunk[capacity + 1] = {0};  // of each tensor, counted through all; the last is the total
  std::int64_t sizes[capacity];
  void* addresses[Lists][capacity];

  std::int64_t chunks() const { return first_chunk[tensors]; }
  unsigned grid() const { return static_cast<unsigned>(std::min<std::int64_t>(chunks(), 4224)); }
  bool full() const { return tensors == capacity; }

  void add(std::int64_t size, const std::array<void*, Lists>& pointers) {
    sizes[tensors] = size;
    for (int list = 0; list < Lists; ++list)
      addresses[list][tensors] = pointers[static_cast<std::size_t>(list)];
    first_chunk[tensors + 1] = first_chunk[tensors] + (size + chunk_elements - 1) / chunk_elements;
    ++tensors;
  }
};

/// Calls launch_table(table) with tables that hold all of the non-empty `tensors`, as few as possible;
/// pointers(i) returns the addresses of tensor i in every list.
template <int Lists, class Pointers, class LaunchTable>
void for_each_table(std::span<const Tensor> tensors, const Pointers& pointers,
                    const LaunchTable& launch_table) {
  MultiTensorTable<Lists> table;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t size = tensors[i].numel();
    if (size == 0) continue;
    table.add(size, pointers(i));
    if (table.full()) {
      launch_table(table);
      table = {};
    }
  }
  if (table.tensors > 0) launch_table(table);
}

/// The chunks of this block: calls work(tensor, begin, count) for each, count <= chunk_elements.
template <int Lists, class F>
__device__ __forceinline__ void for_each_chunk(const MultiTensorTable<Lists>& table, const F& work) {
  const std::int64_t chunks = table.first_chunk[table.tensors];
  for (std::int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    int low = 0;  // the tensor that this chunk lies in: the last that starts at or before it
    int high = table.tensors;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (table.first_chunk[middle] <= chunk) {
        low = middle;
      } else {
        high = middle;
      }
    }
    const std::int64_t begin = (chunk - table.first_chunk[low]) * chunk_elements;
    const std::int64_t rest = table.sizes[low] - begin;
    work(low, begin, static_cast<int>(rest < chunk_elements ? rest : chunk_elements));
  }
}

/// Applies element(values) to every element of the block's chunks, where values[list] is the element in that
/// list, of which the first `Written` are stored back. 16-byte accesses where all lists of a tensor are so
/// aligned.
template <class T, int Written, int Lists, class F>
__device__ __forceinline__ void for_each_element(const MultiTensorTable<Lists>& table, const F& element) {
  constexpr int width = vector_width<T>;
  using Pack = Vector<T, width>;
  for_each_chunk(table, [&](int tensor, std::int64_t begin, int count) {
    T* data[Lists];
    bool aligned = true;
#pragma unroll
    for (int list = 0; list < Lists; ++list) {
      data[list] = static_cast<T*>(table.addresses[list][tensor]) + begin;
      aligned = aligned && is_aligned<T, width>(data[list]);
    }
    const int packs = aligned ? count / width : 0;
    for (int i = static_cast<int>(threadIdx.x); i < packs; i += static_cast<int>(blockDim.x)) {
      Pack values[Lists];
#pragma unroll
      for (int list = 0; list < Lists; ++list) values[list] = reinterpret_cast<const Pack*>(data[list])[i];
#pragma unroll
      for (int k = 0; k < width; ++k) {
        T lane[Lists];
#pragma unroll
        for (int list = 0; list < Lists; ++list) lane[list] = values[list][k];
        element(lane);
#pragma unroll
        for (int list = 0; list < Written; ++list) values[list][k] = lane[list];
      }
#pragma unroll
      for (int list = 0; list < Written; ++list) reinterpret_cast<Pack*>(data[list])[i] = values[list];
    }
    for (int i = packs * width + static_cast<int>(threadIdx.x); i < count;
         i += static_cast<int>(blockDim.x)) {
      T values[Lists];
#pragma unroll
      for (int list = 0; list < Lists; ++list) values[list] = data[list][i];
      element(values);
#pragma unroll
      for (int list = 0; list < Written; ++list) data[list][i] = values[list];
    }
  });
}

}  // namespace gnn::kernels
