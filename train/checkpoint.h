#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "gnn/layers/module.h"
#include "gnn/train/safetensors.h"

// A module's parameters and buffers in a safetensors file. Names and layouts are PyTorch's:
// safetensors.torch.load_file() and load_state_dict() read there what is saved here, and the other way round.

namespace gnn {

/// save_tensors() of the module's state_dict(). Adds "format": "pt" to the metadata, which other readers ask
/// for to know that names and layouts are PyTorch's, unless it has that key.
GNN_API void save_checkpoint(const std::filesystem::path& path, const Module& module, Metadata metadata = {});

/// Loads what save_checkpoint() or PyTorch saved into `module`, wherever its tensors are, and returns the
/// metadata. Throws DataError, naming the file, as load_tensors() does and when names, shapes or dtypes do
/// not fit; the module is unchanged then.
GNN_API Metadata load_checkpoint(const std::filesystem::path& path, Module& module);

/// SHA-256, in hexadecimal, of the module's state_dict(): for each tensor the text "NAME DTYPE SHAPE\n", for
/// example "conv1.weight float32 [20, 1, 5, 5]\n", and its bytes. Equal exactly when names, dtypes, shapes
/// and all bits are.
GNN_API std::string sha256(const Module& module);
/// The same of these tensors.
GNN_API std::string sha256(std::span<const NamedTensor> tensors);

}  // namespace gnn
