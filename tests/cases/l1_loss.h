#pragma once

#include <cmath>

#include "cases/elementwise_loss.h"
#include "gnn/layers/l1_loss.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> l1_loss() {
  return elementwise_loss(gnn::l1_loss, [](double d) { return std::fabs(d); });
}

}  // namespace gnn::testing::cases
