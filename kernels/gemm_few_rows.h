#pragma once

#include "gnn/kernels/gemm_call.h"

namespace gnn::kernels {

/// True for a product of rows with rows that lie side by side where either are so few, as a small batch or a
/// weight for few classes are, that packing the others, every element of which is used once for each of the
/// few, would cost more than it saves.
template <class T>
bool has_few_rows(const GemmCall<T>& call);

/// Such a product. A sum is one of sixteen interleaved ones, added up in pairs, on every CPU: in another
/// order than those of larger products, as independent of the number of threads. Not installed.
template <class T>
void multiply_few_rows(const GemmCall<T>& call);

}  // namespace gnn::kernels
