#include "gnn/train/sgd.h"

#include "cases/sgd.h"
#include "data/torch_optimizers.h"
#include "gnn/core/error.h"
#include "gnn/kernels/run.h"
#include "gnn/kernels/sgd.h"
#include "support/optimizer_check.h"
#include "support/torch_optimizer.h"

namespace gnn::testing {
namespace {

GNN_TEST_OPTIMIZER(SgdOp, cases::sgd());

TEST(Sgd, MatchesPyTorch) {
  const auto check = [](const std::vector<double>& want, const SGDOptions& options) {
    check_against_torch(want,
                        [&](std::vector<Tensor> p) { return std::make_unique<SGD>(std::move(p), options); });
  };
  check(torch_values::sgd, {.lr = 0.1});
  check(torch_values::sgd_momentum, {.lr = 0.1, .momentum = 0.9});
  check(torch_values::sgd_dampening, {.lr = 0.1, .momentum = 0.9, .dampening = 0.25, .weight_decay = 0.05});
  check(torch_values::sgd_nesterov, {.lr = 0.1, .momentum = 0.8, .weight_decay = 0.05, .nesterov = true});
}

// The vector accesses of a kernel must not assume what the allocator aligns.
TEST(Sgd, UnalignedViews) {
  for (const Device device : test_devices()) {
    const Tensor memory = from_values<float>(std::vector<float>(40, 1.0F), {40}, device);
    const Tensor slopes = from_values<float>(std::vector<float>(40, 0.5F), {40}, device);
    Tensor parameter = memory.alias({33}, 1);
    parameter.set_requires_grad();
    parameter.set_grad(slopes.alias({33}, 3));
    SGD({parameter}, {.lr = 1}).step();
    std::vector<float> want(40, 1.0F);
    std::fill(want.begin() + 1, want.begin() + 34, 0.5F);
    EXPECT_EQ(memory.to_vector<float>(), want) << device.to_string();
  }
}

TEST(Sgd, OptionsOutOfRange) {
  const std::vector<Tensor> parameters{zeros({2})};
  const auto make = [&](const SGDOptions& options) { SGD sgd(parameters, options); };
  EXPECT_THROW(make({.lr = -1}), ValueError);
  EXPECT_THROW(make({.lr = torch_values::nan}), ValueError);
  EXPECT_THROW(make({.lr = torch_values::inf}), ValueError);
  EXPECT_THROW(make({.momentum = -0.1}), ValueError);
  EXPECT_THROW(make({.dampening = torch_values::nan}), ValueError);
  EXPECT_THROW(make({.weight_decay = -1}), ValueError);
  EXPECT_THROW(make({.nesterov = true}), ValueError);
  EXPECT_THROW(make({.momentum = 0.9, .dampening = 0.1, .nesterov = true}), ValueError);
  try {
    make({.lr = -1});
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "SGD: expected lr to be finite and not negative, got -1");
  }
}

TEST(Sgd, KernelChecksSizes) {
  std::vector<Tensor> parameters{zeros({2}), zeros({3})};
  std::vector<Tensor> buffers;
  EXPECT_THROW(kernels::run<kernels::SgdStep>(parameters, std::vector<Tensor>{zeros({2})}, buffers,
                                              kernels::SgdStep::Settings{}),
               ShapeError);
  EXPECT_THROW(kernels::run<kernels::SgdStep>(parameters, std::vector<Tensor>{zeros({2}), zeros({4})},
                                              buffers, kernels::SgdStep::Settings{}),
               ShapeError);
  EXPECT_THROW(kernels::run<kernels::SgdStep>(parameters, parameters, buffers,
                                              kernels::SgdStep::Settings{.momentum = 0.9}),
               ShapeError);
}

}  // namespace
}  // namespace gnn::testing
