#include "cases/l1_loss.h"

#include <cmath>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(L1LossOp, cases::l1_loss());

class L1LossOnDevice : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(L1LossOnDevice);

TEST_P(L1LossOnDevice, ValuesAndGradients) {
  Tensor x = from_values<float>({1, 2, 3}, {3}, device());
  x.set_requires_grad();
  const Tensor t = from_values<float>({1, 0, 6}, {3}, device());
  Tensor loss = l1_loss(x, t, Reduction::sum);
  EXPECT_EQ(loss.item(), 5);
  loss.backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 1, -1}));  // 0 where they are equal
  EXPECT_FLOAT_EQ(static_cast<float>(L1Loss()(x, t).item()), 5.0F / 3.0F);
  EXPECT_EQ(L1Loss(Reduction::none).forward(x, t).to_vector<float>(), (std::vector<float>{0, 2, 3}));
}

TEST_P(L1LossOnDevice, Nothing) {
  const Tensor x = zeros({0, 2}, {.device = device()});
  EXPECT_TRUE(std::isnan(l1_loss(x, x).item()));
  EXPECT_EQ(l1_loss(x, x, Reduction::sum).item(), 0);
  EXPECT_EQ(l1_loss(x, x, Reduction::none).shape(), (Shape{0, 2}));
}

TEST(L1Loss, ErrorsNameTheFunction) {
  try {
    l1_loss(zeros({2, 3}), zeros({3, 2}));
    FAIL() << "l1_loss took different shapes";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "l1_loss: expected input and target of one shape, got [2, 3] and [3, 2]");
  }
  EXPECT_THROW(l1_loss(zeros({2}), zeros({2}, {.dtype = DType::float64})), DTypeError);
  const Tensor integers = zeros({2}, {.dtype = DType::int64});
  EXPECT_THROW(l1_loss(integers, integers), DTypeError);
}

}  // namespace
}  // namespace gnn::testing
