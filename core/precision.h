#pragma once

#include <string_view>

#include "gnn/core/export.h"

namespace gnn {

/// How exactly matrix products of float32 tensors, and convolutions made of them, are computed on CUDA:
/// torch.set_float32_matmul_precision. "highest" (the default): in float32. "high": factors may be rounded to
/// TensorFloat-32, whose mantissa has 10 bits, sums are float32; several times as fast on GPUs since Ampere.
/// For all threads, from the next operation on; without effect on the CPU and on float64. Throws ValueError
/// for other words.
GNN_API void set_float32_matmul_precision(std::string_view precision);
/// "highest" or "high".
GNN_API std::string_view get_float32_matmul_precision();

}  // namespace gnn
