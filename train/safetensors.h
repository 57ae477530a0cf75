#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gnn/core/device.h"
#include "gnn/layers/module.h"

// Tensors in files, in the safetensors format (github.com/huggingface/safetensors): 8 bytes with the header's
// length N, little-endian; N bytes of JSON, an object that gives every tensor's "dtype", "shape" and
// "data_offsets"; then the tensors' bytes, little-endian and row-major, without gaps. There is no code in
// such a file, unlike in a pickle.

namespace gnn {

/// Free text that travels with the tensors: the header's "__metadata__".
using Metadata = std::map<std::string, std::string>;

struct TensorFile {
  std::vector<NamedTensor> tensors;  ///< in the order of their data
  Metadata metadata;
};

/// Writes the tensors, from any device, to `path`. The file appears whole or not at all: on an error what was
/// there before is intact. Throws ValueError for a name that is repeated, reserved ("__metadata__") or not
/// UTF-8 and for an undefined tensor; DataError naming the file when it cannot be written.
GNN_API void save_tensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                          const Metadata& metadata = {});

/// Reads all tensors of a file. Every field of the header is checked before any memory is allocated for data.
/// Throws DataError, naming the file and the byte or tensor, for a file that is missing, truncated, damaged,
/// longer than its tensors, or has a dtype that libgnn lacks.
GNN_API TensorFile load_tensors(const std::filesystem::path& path, Device device = Device::cpu());

/// The metadata of a file, whose tensors are checked as by load_tensors() and not read.
GNN_API Metadata load_metadata(const std::filesystem::path& path);

}  // namespace gnn
