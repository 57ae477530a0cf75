#include "gnn/train/adam.h"

#include "cases/adam.h"
#include "data/torch_optimizers.h"
#include "gnn/core/error.h"
#include "gnn/kernels/adam.h"
#include "gnn/kernels/run.h"
#include "support/optimizer_check.h"
#include "support/torch_optimizer.h"

namespace gnn::testing {
namespace {

GNN_TEST_OPTIMIZER(AdamOp, cases::adam());

TEST(Adam, MatchesPyTorch) {
  const auto adam = [](const AdamOptions& options) {
    return [options](std::vector<Tensor> p) { return std::make_unique<Adam>(std::move(p), options); };
  };
  const auto adamw = [](const AdamWOptions& options) {
    return [options](std::vector<Tensor> p) { return std::make_unique<AdamW>(std::move(p), options); };
  };
  check_against_torch(torch_values::adam, adam({}));
  check_against_torch(torch_values::adam_weight_decay,
                      adam({.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}));
  check_against_torch(torch_values::adamw, adamw({}));
  check_against_torch(torch_values::adamw_options,
                      adamw({.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}));
}

TEST(Adam, UnalignedViews) {
  for (const Device device : test_devices()) {
    const Tensor memory = from_values<float>(std::vector<float>(40, 1.0F), {40}, device);
    const Tensor slopes = from_values<float>(std::vector<float>(40, 0.5F), {40}, device);
    Tensor parameter = memory.alias({33}, 1);
    parameter.set_requires_grad();
    parameter.set_grad(slopes.alias({33}, 3));
    Adam({parameter}, {.lr = 0.5, .eps = 0})
        .step();  // the first step of Adam is lr against the gradient's sign
    Array want{{40}, std::vector<double>(40, 1.0)};
    std::fill(want.values.begin() + 1, want.values.begin() + 34, 0.5);
    expect_close(to_array(memory), want, 4e-7, device.to_string());
  }
}

TEST(Adam, ZeroGradientMovesNothing) {
  for (const Device device : test_devices()) {
    Tensor parameter = from_values<float>({1, -2}, {2}, device);
    parameter.set_requires_grad();
    parameter.set_grad(zeros({2}, {.device = device}));
    Adam({parameter}).step();
    EXPECT_EQ(parameter.to_vector<float>(), (std::vector<float>{1, -2}));
  }
}

TEST(Adam, OptionsOutOfRange) {
  const std::vector<Tensor> parameters{zeros({2})};
  const auto make = [&](const AdamOptions& options) { Adam adam(parameters, options); };
  EXPECT_THROW(make({.lr = -1}), ValueError);
  EXPECT_THROW(make({.beta1 = 1}), ValueError);
  EXPECT_THROW(make({.beta2 = -0.1}), ValueError);
  EXPECT_THROW(make({.beta2 = torch_values::nan}), ValueError);
  EXPECT_THROW(make({.eps = -1e-8}), ValueError);
  EXPECT_THROW(make({.weight_decay = -1}), ValueError);
  try {
    AdamW(parameters, {.beta1 = 1});
    FAIL() << "beta1 = 1 was taken";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "AdamW: expected beta1 to be at least 0 and less than 1, got 1");
  }
}

TEST(Adam, KernelChecksSizes) {
  std::vector<Tensor> parameters{zeros({2})};
  std::vector<Tensor> right{zeros({2})};
  std::vector<Tensor> wrong{zeros({3})};
  const kernels::AdamStep::Settings settings;
  EXPECT_THROW(kernels::run<kernels::AdamStep>(parameters, wrong, right, right, settings), ShapeError);
  EXPECT_THROW(kernels::run<kernels::AdamStep>(parameters, right, wrong, right, settings), ShapeError);
  EXPECT_THROW(kernels::run<kernels::AdamStep>(parameters, right, right, wrong, settings), ShapeError);
}

}  // namespace
}  // namespace gnn::testing
