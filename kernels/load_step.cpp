#include "gnn/kernels/load_step.h"

#include <algorithm>

namespace gnn::kernels {

void LoadStep::cpu(const Tensor& header) {
  const auto* words = header.data<std::int64_t>();
  auto* const table = reinterpret_cast<std::int64_t*>(words[0]);
  const std::int64_t* const row = table + 1 + table[0] * words[1];
  const auto* slot = reinterpret_cast<const std::int64_t*>(words[3]);
  for (std::int64_t s = 0; s < words[2]; ++s, slot += 3) {
    std::copy_n(row + slot[1], slot[2], reinterpret_cast<std::int64_t*>(slot[0]));
  }
  ++table[0];
}

}  // namespace gnn::kernels
