#pragma once

// The comparisons of two numbers, for both back ends. Not installed.

#include "gnn/core/dtype.h"
#include "gnn/core/export.h"
#include "gnn/kernels/compare.h"

namespace gnn::kernels {

template <CompareOp op>
struct CompareMath {
  template <class T>
  GNN_HD static std::uint8_t value(T a, T b) {
    if constexpr (op == CompareOp::eq) {
      return a == b;
    } else if constexpr (op == CompareOp::ne) {
      return a != b;
    } else if constexpr (op == CompareOp::lt) {
      return a < b;
    } else if constexpr (op == CompareOp::le) {
      return a <= b;
    } else if constexpr (op == CompareOp::gt) {
      return a > b;
    } else {
      return a >= b;
    }
  }
};

/// Calls f(CompareMath<op>{}).
template <class F>
void dispatch_compare(CompareOp op, F&& f) {
  switch (op) {
    case CompareOp::eq:
      return f(CompareMath<CompareOp::eq>{});
    case CompareOp::ne:
      return f(CompareMath<CompareOp::ne>{});
    case CompareOp::lt:
      return f(CompareMath<CompareOp::lt>{});
    case CompareOp::le:
      return f(CompareMath<CompareOp::le>{});
    case CompareOp::gt:
      return f(CompareMath<CompareOp::gt>{});
    case CompareOp::ge:
      return f(CompareMath<CompareOp::ge>{});
  }
}

/// Calls f(std::type_identity<T>{}) with the types that are compared; throws DTypeError otherwise.
template <class F>
void dispatch_comparable(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(std::type_identity<float>{});
    case DType::float64:
      return f(std::type_identity<double>{});
    case DType::int32:
      return f(std::type_identity<std::int32_t>{});
    case DType::int64:
      return f(std::type_identity<std::int64_t>{});
    case DType::uint8:
      return f(std::type_identity<std::uint8_t>{});
    default:
      throw_unsupported_dtype(Compare::name, "float32, float64, int32, int64 or uint8", dtype);
  }
}

}  // namespace gnn::kernels
