#include "cases/transpose.h"

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(TransposeOp, cases::transpose());

class TransposeOnDevice : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(TransposeOnDevice);

TEST_P(TransposeOnDevice, EveryElementSize) {
  const auto check = [&]<class T>(T) {
    const Tensor x = from_values<T>({T(1), T(2), T(3), T(4), T(5), T(6)}, {2, 3}, device());
    EXPECT_EQ(transpose(x).shape(), (Shape{3, 2}));
    EXPECT_EQ(transpose(x).dtype(), dtype_of<T>);
    EXPECT_EQ(transpose(x).to_doubles(), (std::vector<double>{1, 4, 2, 5, 3, 6}));
  };
  check(std::uint8_t{});
  check(Half{});
  check(BFloat16{});
  check(std::int32_t{});
  check(float{});
  check(std::int64_t{});
  check(double{});
}

TEST(Transpose, ErrorsNameTheFunction) {
  try {
    transpose(zeros({3}));
    FAIL() << "transpose took a vector";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "transpose: expected an input of two dimensions or more, got [3]");
  }
  EXPECT_THROW(transpose(Tensor()), ValueError);
}

}  // namespace
}  // namespace gnn::testing
