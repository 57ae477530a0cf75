#pragma once

#include <cstdint>

namespace gnn {

/// What a loss function makes of the losses of all elements or samples: itself, their mean or their sum.
enum class Reduction : std::uint8_t { none, mean, sum };

}  // namespace gnn
