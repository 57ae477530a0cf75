#pragma once

#include <filesystem>

#include "gnn/core/tensor.h"

namespace gnn {

/// Reads a file in IDX format, the one MNIST comes in, plain or gzip (recognised by content, not by name).
///
/// The format: two zero bytes, a type code, the number of dimensions, each dimension's size as a big-endian
/// uint32, then the elements, big-endian and row-major. Types 0x08 uint8, 0x0c int32, 0x0d float32 and 0x0e
/// float64 keep their dtype; 0x09 int8 and 0x0b int16 become int32.
///
/// Throws DataError, naming the file, the byte and what to do: a path that is missing, empty or a folder, a
/// wrong magic number, more than 8 dimensions, content that is shorter or longer than the header says
/// (checked before anything of that size is allocated), damaged gzip data. Format: "The MNIST database of
/// handwritten digits", section "The IDX file format".
GNN_API Tensor load_idx(const std::filesystem::path& path);

}  // namespace gnn
