#pragma once

// Element-wise CPU work on many tensors in one parallel region. Not installed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "gnn/core/tensor.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

/// Throws ShapeError unless `list` has as many tensors as `parameters`, each with as many elements; `what`
/// names the list in the message. Kernels index all lists alike.
void check_same_sizes(const char* kernel, std::span<const Tensor> parameters, const char* what,
                      std::span<const Tensor> list);

/// Calls f(std::type_identity<T>{}, tensors of element type T) for T = float and double, where there are any;
/// throws DTypeError naming `kernel` for other dtypes.
template <class F>
void for_each_dtype(const char* kernel, const std::vector<Tensor>& tensors, const F& f) {
  std::vector<Tensor> singles;
  std::vector<Tensor> doubles;
  for (const Tensor& tensor : tensors) {
    dispatch_floating(kernel, tensor.dtype(), [&](auto type) {
      (std::is_same_v<typename decltype(type)::type, float> ? singles : doubles).push_back(tensor);
    });
  }
  if (!singles.empty()) f(std::type_identity<float>{}, singles);
  if (!doubles.empty()) f(std::type_identity<double>{}, doubles);
}

/// For each tensor the number of elements up to its end, counted through all tensors in order.
inline std::vector<std::int64_t> element_ends(std::span<const Tensor> tensors) {
  std::vector<std::int64_t> ends;
  ends.reserve(tensors.size());
  std::int64_t end = 0;
  for (const Tensor& tensor : tensors) ends.push_back(end += tensor.numel());
  return ends;
}

/// Calls loop(tensor, begin, end) on ranges that together cover every element of every tensor once, in one
/// parallel region with equal shares of elements, however they are spread over the tensors. `ends` is
/// element_ends() of the tensors.
template <class F>
void parallel_for_tensors(const std::vector<std::int64_t>& ends, const F& loop) {
  if (ends.empty()) return;
  const std::int64_t* const first = ends.data();
  const std::int64_t* const last = first + ends.size();
  parallel_for(*(last - 1), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
    for (const std::int64_t* tensor = std::upper_bound(first, last, begin); begin < end; ++tensor) {
      const std::int64_t start = tensor == first ? 0 : tensor[-1];
      const std::int64_t stop = std::min(end, *tensor);
      loop(static_cast<std::size_t>(tensor - first), begin - start, stop - start);
      begin = stop;
    }
  });
}

/// Pointers to the elements of all tensors. The mutable form counts as an in-place change of each.
template <class T>
std::vector<const T*> data_of(std::span<const Tensor> tensors) {
  std::vector<const T*> pointers;
  pointers.reserve(tensors.size());
  for (const Tensor& tensor : tensors) pointers.push_back(tensor.data<T>());
  return pointers;
}

template <class T>
std::vector<T*> mutable_data_of(std::span<Tensor> tensors) {
  std::vector<T*> pointers;
  pointers.reserve(tensors.size());
  for (Tensor& tensor : tensors) pointers.push_back(tensor.mutable_data<T>());
  return pointers;
}

}  // namespace gnn::kernels
