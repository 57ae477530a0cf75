#pragma once

#include <cstdint>

#include "gnn/core/tensor.h"
#include "gnn/kernels/run.h"

namespace gnn::kernels {

/// y[b, j, i] = x[b, i, j] for b < batch, i < rows, j < columns. Any dtype, the same for both; a copy of the
/// bits.
struct GNN_API Transpose {
  static constexpr const char* name = "transpose";
  static void cpu(const Tensor& x, std::int64_t batch, std::int64_t rows, std::int64_t columns, Tensor& y);
  static void cuda(const Tensor& x, std::int64_t batch, std::int64_t rows, std::int64_t columns, Tensor& y);
};

/// Throws ShapeError or DTypeError unless both tensors have batch * rows * columns elements and one dtype.
void check_transpose(const Tensor& x, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                     const Tensor& y);

/// Calls f(std::type_identity<T>{}) with the unsigned integer of `bytes` bytes.
template <class F>
void dispatch_bits(std::size_t bytes, const F& f) {
  switch (bytes) {
    case 1:
      return f(std::type_identity<std::uint8_t>{});
    case 2:
      return f(std::type_identity<std::uint16_t>{});
    case 4:
      return f(std::type_identity<std::uint32_t>{});
    default:
      return f(std::type_identity<std::uint64_t>{});
  }
}

}  // namespace gnn::kernels
