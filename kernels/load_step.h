#pragma once

#include "gnn/core/tensor.h"

namespace gnn::kernels {

/// The first kernel of a captured step (train/captured_step.h), which is the same in every replay: fetches
/// what differs from step to step from a table, so that the kernels behind it find it at fixed addresses.
///
///   table   int64 [1 + rows * words]: the number of the next row, then the rows, each the words of one step
///   slots   int64 [n, 3]: the address of a target, the first word in the row that goes there, their number
///   header  int64 [4]: the address of the table, the words in a row, n, the address of the slots
///
/// Copies the next row to all targets and adds 1 to its number. Everything is on the header's device; the
/// caller has checked that there is a next row.
struct GNN_API LoadStep {
  static constexpr const char* name = "load_step";
  static void cpu(const Tensor& header);
  static void cuda(const Tensor& header);
};

}  // namespace gnn::kernels
