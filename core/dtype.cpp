#include "gnn/core/dtype.h"

#include <array>

#include "gnn/core/check.h"
#include "gnn/core/error.h"

namespace gnn {
namespace {

struct Entry {
  DType dtype;
  std::size_t size;
  std::string_view name;
};

constexpr std::array<Entry, 7> entries{{{DType::float32, 4, "float32"},
                                        {DType::float64, 8, "float64"},
                                        {DType::float16, 2, "float16"},
                                        {DType::bfloat16, 2, "bfloat16"},
                                        {DType::int32, 4, "int32"},
                                        {DType::int64, 8, "int64"},
                                        {DType::uint8, 1, "uint8"}}};

}  // namespace

std::size_t size_of(DType dtype) {
  return entries[static_cast<std::size_t>(dtype)].size;
}

std::string_view name_of(DType dtype) {
  return entries[static_cast<std::size_t>(dtype)].name;
}

DType parse_dtype(std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry.dtype;
  }
  fail<DTypeError>("unknown dtype '{}': expected float32, float64, float16, bfloat16, int32, int64 or uint8",
                   name);
}

bool is_floating(DType dtype) {
  return dtype <= DType::bfloat16;
}

void throw_unsupported_dtype(std::string_view op, std::string_view expected, DType dtype) {
  fail<DTypeError>("{}: expected {}, got {}", op, expected, dtype);
}

}  // namespace gnn
