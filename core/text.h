#pragma once

#include <cstdint>
#include <string>

#include "gnn/core/export.h"

namespace gnn {

/// "60,000".
GNN_API std::string format_count(std::int64_t count);
/// "512 B", "1.64 MiB".
GNN_API std::string format_bytes(std::int64_t bytes);
/// "0:07", "12:34" or "1:02:03".
GNN_API std::string format_duration(double seconds);

}  // namespace gnn
