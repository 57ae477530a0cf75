#pragma once

#include <filesystem>
#include <string>

#include "gnn/core/tensor.h"

namespace gnn {

/// The bytes of a PNG file (8 bits per channel, not interlaced, without metadata) of a uint8 CPU tensor: grey
/// [H, W] or [1, H, W], or red, green, blue [3, H, W]. Throws ShapeError for another shape or an empty image,
/// DTypeError and DeviceError.
GNN_API std::string encode_png(const Tensor& image);

/// Writes encode_png(image) to `path`, whole or not at all. Throws DataError when it cannot be written.
GNN_API void write_png(const std::filesystem::path& path, const Tensor& image);

}  // namespace gnn
