#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "gnn/core/export.h"
#include "gnn/core/half.h"

namespace gnn {

/// Element type of a tensor. Kernels compute in float32 and float64; the half types are for storage, copy and
/// cast; the integer types hold labels, indices and images.
enum class DType : std::uint8_t { float32, float64, float16, bfloat16, int32, int64, uint8 };

/// Bytes per element.
GNN_API std::size_t size_of(DType dtype);

/// "float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8".
GNN_API std::string_view name_of(DType dtype);

/// The dtype of that name; throws DTypeError, listing the names, for any other text.
GNN_API DType parse_dtype(std::string_view name);

/// True for float32, float64, float16 and bfloat16.
GNN_API bool is_floating(DType dtype);

/// The DType of a C++ element type: dtype_of<float> == DType::float32.
template <class T>
inline constexpr DType dtype_of = [] {
  if constexpr (std::is_same_v<T, float>) {
    return DType::float32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DType::float64;
  } else if constexpr (std::is_same_v<T, Half>) {
    return DType::float16;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return DType::bfloat16;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return DType::int32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return DType::int64;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>, "not an element type of a tensor");
    return DType::uint8;
  }
}();

/// Throws DTypeError: "OP: expected EXPECTED, got DTYPE".
[[noreturn]] GNN_API void throw_unsupported_dtype(std::string_view op, std::string_view expected,
                                                  DType dtype);

/// Calls f(std::type_identity<T>{}) with T = float or double; throws DTypeError naming `op` otherwise.
template <class F>
decltype(auto) dispatch_floating(std::string_view op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(std::type_identity<float>{});
    case DType::float64:
      return f(std::type_identity<double>{});
    default:
      throw_unsupported_dtype(op, "float32 or float64", dtype);
  }
}

/// Calls f(std::type_identity<T>{}) with the C++ type of any dtype.
template <class F>
decltype(auto) dispatch_all(std::string_view op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(std::type_identity<float>{});
    case DType::float64:
      return f(std::type_identity<double>{});
    case DType::float16:
      return f(std::type_identity<Half>{});
    case DType::bfloat16:
      return f(std::type_identity<BFloat16>{});
    case DType::int32:
      return f(std::type_identity<std::int32_t>{});
    case DType::int64:
      return f(std::type_identity<std::int64_t>{});
    case DType::uint8:
      return f(std::type_identity<std::uint8_t>{});
  }
  throw_unsupported_dtype(op, "a dtype of libgnn", dtype);
}

}  // namespace gnn
