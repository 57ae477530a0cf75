#pragma once

#include <cstdint>

#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/gemm_tile.h"

// Products whose left matrix has many zeros: gradients that went through ReLU or dropout, and activations
// behind them. The terms of the zeros are left out. Not installed.
//
// The other terms are added in the same order as multiply_block() does, so that results are the same to the
// last bit: x + 0 · b = x for every finite b. Where b is not finite, all terms are taken. Leaving out the
// terms of ReLU's zeros on CPUs is Gong et al., "SparseTrain", PACT 2020.

namespace gnn::kernels {

/// True when the zeros of the call's left matrix, estimated from a sample, are so many that lists of the
/// others pay.
template <class T>
bool has_many_zeros(const GemmCall<T>& call);

/// The terms of some rows of a left matrix, for up to gemm_depth of its columns: row i's begin at
/// i * term_list_size.
template <class T>
struct TermLists {
  T* factors;
  std::int32_t* places;  ///< offsets into the packed right matrix
  std::int32_t* counts;  ///< [row]
};

/// With room for a vector that reaches beyond the last term.
inline constexpr std::int64_t term_list_size = gemm_depth + 16;

/// A part of a left matrix: row i at a + i * a_stride.
template <class T>
struct LeftBlock {
  const T* a;
  std::int64_t a_stride;
  std::int64_t rows;
  std::int64_t depth;  ///< at most gemm_depth
  std::int64_t width;  ///< columns of the packed right matrix
  TermLists<T> lists;
};

/// Lists the elements that are not zero.
template <class T>
void list_nonzeros(const LeftBlock<T>& block);

/// Lists all elements.
template <class T>
void list_all(const LeftBlock<T>& block);

/// True when none of a packed panel's elements is infinite or NaN; `count` is a multiple of its columns.
template <class T>
bool all_finite(const T* panel, std::int64_t count);

/// One block of a product as GemmBlock has it, out of lists of terms.
template <class T>
struct TermBlock {
  TermLists<T> lists;
  std::int64_t row_count;
  const T* b;            ///< packed right matrix
  std::int64_t columns;  ///< at most term_panel_columns()
  T* c;
  std::int64_t c_stride;
  const T* start;
  std::int64_t start_stride;
};

/// Columns that a packed panel has for products of lists: the first-level cache holds `depth` rows of it.
template <class T>
std::int64_t term_panel_columns(std::int64_t depth);

template <class T>
void multiply_terms(const TermBlock<T>& block);

}  // namespace gnn::kernels
