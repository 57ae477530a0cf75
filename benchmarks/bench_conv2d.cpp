#include "cases/conv2d.h"
#include "gnn/kernels/conv2d_algorithm.h"
#include "gnn/kernels/cudnn.h"
#include "support/bench.h"

static const gnn::bench::Register registered("conv2d", gnn::testing::cases::conv2d());

/// The same by cuDNN, where there is one, as conv2d/CASE_cudnn.
static std::vector<gnn::testing::OpCase> cudnn_cases() {
  if (!gnn::cudnn::is_available()) return {};
  std::vector<gnn::testing::OpCase> table = gnn::testing::cases::conv2d();
  for (gnn::testing::OpCase& op_case : table) op_case.name += "_cudnn";
  return table;
}

static const gnn::bench::Register by_cudnn("conv2d", cudnn_cases(), {},
                                           {.set = [] { gnn::set_conv2d_algorithm("cudnn"); },
                                            .reset = [] { gnn::set_conv2d_algorithm("gemm"); }});
