#pragma once

// How libgnn's own sources throw. Not installed: public headers do not include fmt.

#include <fmt/format.h>

#include <utility>

#include "gnn/core/device.h"
#include "gnn/core/dtype.h"
#include "gnn/core/error.h"
#include "gnn/core/shape.h"

template <>
struct fmt::formatter<gnn::Shape> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const gnn::Shape& shape, Context& context) const {
    return fmt::formatter<std::string>::format(shape.to_string(), context);
  }
};

template <>
struct fmt::formatter<gnn::DType> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(gnn::DType dtype, Context& context) const {
    return fmt::formatter<std::string_view>::format(gnn::name_of(dtype), context);
  }
};

template <>
struct fmt::formatter<gnn::Device> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const gnn::Device& device, Context& context) const {
    return fmt::formatter<std::string>::format(device.to_string(), context);
  }
};

namespace gnn {

/// Throws ErrorType with the formatted message.
template <class ErrorType, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw ErrorType(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws ErrorType with the formatted message unless `ok`.
template <class ErrorType, class... Args>
void check(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) [[unlikely]]
    fail<ErrorType>(format, std::forward<Args>(args)...);
}

}  // namespace gnn
