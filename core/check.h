#pragma once

// How libgnn's own sources throw. Not installed: public headers do not include fmt.

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "gnn/core/device.h"
#include "gnn/core/dtype.h"
#include "gnn/core/error.h"
#include "gnn/core/shape.h"

namespace gnn::detail {

/// Formats a value as its name, without a format specification. (fmt/core.h alone keeps builds fast; fmt's
/// own formatters would need fmt/format.h everywhere.)
struct NameFormatter {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  static auto write(std::string_view text, fmt::format_context& context) {
    return std::copy(text.begin(), text.end(), context.out());
  }
};

}  // namespace gnn::detail

template <>
struct fmt::formatter<gnn::Shape> : gnn::detail::NameFormatter {
  auto format(const gnn::Shape& shape, fmt::format_context& context) const {
    return write(shape.to_string(), context);
  }
};

template <>
struct fmt::formatter<gnn::DType> : gnn::detail::NameFormatter {
  auto format(gnn::DType dtype, fmt::format_context& context) const {
    return write(gnn::name_of(dtype), context);
  }
};

template <>
struct fmt::formatter<gnn::Device> : gnn::detail::NameFormatter {
  auto format(const gnn::Device& device, fmt::format_context& context) const {
    return write(device.to_string(), context);
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
