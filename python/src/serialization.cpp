// Tensors in safetensors files.

#include <nanobind/stl/map.h>

#include "bindings.h"
#include "named_tensors.h"
#include "path.h"

namespace gnn::python {

void bind_serialization(nb::module_& m) {
  m.def(
      "save_tensors",
      [](const Path& path, const NamedPairs& tensors, const Metadata& metadata) {
        save_tensors(path.value, named_tensors(tensors), metadata);
      },
      "path"_a, "tensors"_a, "metadata"_a, releases_gil());
  m.def(
      "load_tensors",
      [](const Path& path, const DeviceLike& device) {
        return named_pairs(load_tensors(path.value, device.get()).tensors);
      },
      "path"_a, "device"_a, releases_gil());
  m.def(
      "load_metadata", [](const Path& path) { return load_metadata(path.value); }, "path"_a, releases_gil());
  m.def(
      "sha256", [](const NamedPairs& tensors) { return sha256(named_tensors(tensors)); }, "tensors"_a,
      releases_gil());
}

}  // namespace gnn::python
