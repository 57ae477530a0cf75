#include "cases/mse_loss.h"

#include <cmath>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(MseLossOp, cases::mse_loss());

class MseLossOnDevice : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(MseLossOnDevice);

TEST_P(MseLossOnDevice, ValuesAndGradients) {
  Tensor x = from_values<float>({1, 2, 3}, {3}, device());
  x.set_requires_grad();
  const Tensor t = from_values<float>({1, 0, 6}, {3}, device());
  Tensor loss = mse_loss(x, t);
  EXPECT_FLOAT_EQ(static_cast<float>(loss.item()), 13.0F / 3.0F);
  loss.backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 4.0F / 3.0F, -2}));
  EXPECT_EQ(MSELoss(Reduction::sum)(x, t).item(), 13);
  EXPECT_EQ(MSELoss(Reduction::none).forward(x, t).to_vector<float>(), (std::vector<float>{0, 4, 9}));
}

TEST_P(MseLossOnDevice, Nothing) {
  const Tensor x = zeros({0, 2}, {.device = device()});
  EXPECT_TRUE(std::isnan(mse_loss(x, x).item()));
  EXPECT_EQ(mse_loss(x, x, Reduction::sum).item(), 0);
  EXPECT_EQ(mse_loss(x, x, Reduction::none).shape(), (Shape{0, 2}));
}

TEST(MseLoss, ErrorsNameTheFunction) {
  try {
    mse_loss(zeros({2, 3}), zeros({3, 2}));
    FAIL() << "mse_loss took different shapes";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "mse_loss: expected input and target of one shape, got [2, 3] and [3, 2]");
  }
  EXPECT_THROW(mse_loss(zeros({2}), zeros({2}, {.dtype = DType::float64})), DTypeError);
  const Tensor integers = zeros({2}, {.dtype = DType::int64});
  EXPECT_THROW(mse_loss(integers, integers), DTypeError);
}

}  // namespace
}  // namespace gnn::testing
