#pragma once

#include <string>

namespace gnn::emulation {

/// The demangled name, without parameters, of the function at `address` in this program; local functions
/// included.
std::string function_name(const void* address);

}  // namespace gnn::emulation
