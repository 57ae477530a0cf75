#pragma once

#include "gnn/kernels/gemm_call.h"

namespace gnn::kernels {

/// True for a product of so few rows with a matrix of rows that lie side by side, a small batch times a
/// weight, that packing the weight, every element of which is used once for each row, would cost more than it
/// saves.
template <class T>
bool has_few_rows(const GemmCall<T>& call);

/// Such a product. A sum is one of sixteen interleaved ones, added up in pairs, on every CPU: in another
/// order than those of larger products, as independent of the number of threads. Not installed.
template <class T>
void multiply_few_rows(const GemmCall<T>& call);

}  // namespace gnn::kernels
