#pragma once

#include <cmath>

#include "cases/elementwise_loss.h"
#include "gnn/layers/mse_loss.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> mse_loss() {
  return elementwise_loss(gnn::mse_loss, [](double d) { return d * d; });
}

}  // namespace gnn::testing::cases
