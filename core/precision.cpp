#include "gnn/core/precision.h"

#include <atomic>

#include "gnn/core/check.h"

namespace gnn {
namespace {

std::atomic<bool> tensor_float32{false};

}  // namespace

void set_float32_matmul_precision(std::string_view precision) {
  check<ValueError>(precision == "highest" || precision == "high",
                    "set_float32_matmul_precision: expected highest or high, got {}", precision);
  tensor_float32.store(precision == "high", std::memory_order_relaxed);
}

std::string_view get_float32_matmul_precision() {
  return tensor_float32.load(std::memory_order_relaxed) ? "high" : "highest";
}

}  // namespace gnn
