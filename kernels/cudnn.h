#pragma once

#include <string>

#include "gnn/core/export.h"

namespace gnn::cudnn {

// cuDNN is loaded when it is first asked for, not linked: a program built with it starts, and works, where
// there is none. What is loaded is libcudnn.so.9, found as the system's loader finds libraries, or the file
// that the environment variable GNN_CUDNN_LIBRARY names.

/// True when this build can use cuDNN (GNN_CUDNN) and the library is there and fits. Says nothing of GPUs.
GNN_API bool is_available();
/// Why not, and what to do about it; empty when is_available().
GNN_API std::string unavailable_reason();
/// The version of the library that was loaded, as "9.19.0"; empty when there is none.
GNN_API std::string version();

}  // namespace gnn::cudnn
