// The extension module libgnn._core. What it has is public through the package's Python files.

#include <fmt/core.h>

#include <cstdlib>

#include "bindings.h"
#include "gnn/core/version.h"

NB_MODULE(_core, m) {
  using namespace gnn::python;
  m.doc() = "libgnn's C++ side.";
  m.attr("version") = fmt::format("{}.{}.{}", GNN_VERSION_MAJOR, GNN_VERSION_MINOR, GNN_VERSION_PATCH);
  // For libgnn's own tests: at the interpreter's exit a program may have a tape open, which cannot be freed
  // then.
  nb::set_leak_warnings(std::getenv("GNN_LEAK_WARNINGS") != nullptr);
  bind_errors(m);
  bind_device(m);
  bind_tensor(m);
  bind_creation(m);
  bind_functional(m);
  bind_init(m);
  bind_autograd(m);
  bind_optim(m);
  bind_data(m);
  bind_trainer(m);
  bind_serialization(m);
}
