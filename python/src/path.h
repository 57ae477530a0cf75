#pragma once

#include <nanobind/stl/filesystem.h>

#include <filesystem>

#include "bindings.h"

namespace gnn::python {

/// The path of a file or folder, an argument.
struct Path {
  std::filesystem::path value;
};

}  // namespace gnn::python

namespace nanobind::detail {

/// nanobind's caster for paths, whose type is not complete for type checkers.
template <>
struct type_caster<gnn::python::Path> {
  NB_TYPE_CASTER(gnn::python::Path, const_name("str | os.PathLike[str]"))
  bool from_python(handle src, std::uint32_t flags, cleanup_list* cleanup) noexcept {
    make_caster<std::filesystem::path> caster;
    if (!caster.from_python(src, static_cast<std::uint8_t>(flags), cleanup)) return false;
    value.value = caster.value;
    return true;
  }
};

}  // namespace nanobind::detail
