#include "cases/load_step.h"

#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(LoadStepOp, cases::load_step());

class LoadStep : public DeviceTest {};

TEST_P(LoadStep, EveryCallTakesTheNextRow) {
  const Tensor table = from_values<std::int64_t>({0, 11, 12, 13, 21, 22, 23, 31, 32, 33}, {10}, device());
  Tensor target = zeros({3}, {DType::int64, device()});
  Tensor slots;
  const Tensor header = cases::load_step_header(table, target, {1, 2}, slots);
  for (std::int64_t row = 1; row <= 3; ++row) {
    kernels::run<kernels::LoadStep>(header);
    EXPECT_EQ(target.to_vector<std::int64_t>(),
              (std::vector<std::int64_t>{10 * row + 1, 10 * row + 2, 10 * row + 3}));
    EXPECT_EQ(table.to_vector<std::int64_t>()[0], row);
  }
}

GNN_INSTANTIATE_FOR_DEVICES(LoadStep);

}  // namespace
}  // namespace gnn::testing
