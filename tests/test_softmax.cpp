#include "cases/softmax.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

GNN_TEST_OP(SoftmaxOp, cases::softmax());

TEST(Softmax, InfinitiesAndNan) {
  for (const Device device : test_devices()) {
    for (const std::int64_t axis : {0, 1}) {           // along rows and columns
      const auto padded = [&](std::vector<float> v) {  // a second column, so that axis 0 is not contiguous
        if (axis == 1) return from_values(v, {1, 3}, device);
        return from_values<float>({v[0], 0, v[1], 0, v[2], 0}, {3, 2}, device);
      };
      const auto first = [&](const Tensor& y) {
        const std::vector<float> v = y.to_vector<float>();
        return axis == 1 ? v : std::vector<float>{v[0], v[2], v[4]};
      };
      EXPECT_EQ(first(softmax(padded({-infinity, 2, -infinity}), axis)), (std::vector<float>{0, 1, 0}));
      EXPECT_EQ(first(log_softmax(padded({-infinity, 2, -infinity}), axis)),
                (std::vector<float>{-infinity, 0, -infinity}));
      for (const std::vector<float>& bad :
           {std::vector<float>{1, nan, 2}, std::vector<float>{nan, 1, 2}, std::vector<float>{0, infinity, 1},
            std::vector<float>{infinity, 0, 1}, std::vector<float>{-infinity, -infinity, -infinity}}) {
        for (const float y : first(softmax(padded(bad), axis)))
          EXPECT_TRUE(std::isnan(y)) << device.to_string();
        for (const float y : first(log_softmax(padded(bad), axis)))
          EXPECT_TRUE(std::isnan(y)) << device.to_string();
      }
    }
  }
}

TEST(Softmax, LogSoftmaxKeepsWhatSoftmaxRoundsAway) {
  for (const Device device : test_devices()) {
    const Tensor x = from_values<float>({0, 200}, {1, 2}, device);
    EXPECT_EQ(softmax(x).to_vector<float>()[0], 0);
    EXPECT_EQ(log_softmax(x).to_vector<float>(), (std::vector<float>{-200, 0}));
  }
}

TEST(Softmax, ErrorsNameTheFunction) {
  EXPECT_THROW(softmax(zeros({2, 3}), 2), IndexError);
  EXPECT_THROW(softmax(zeros({})), IndexError);
  try {
    log_softmax(zeros({2, 3}, {.dtype = DType::int64}));
    FAIL() << "log_softmax took int64";
  } catch (const DTypeError& error) {
    EXPECT_STREQ(error.what(), "log_softmax: expected float32 or float64, got int64");
  }
}

TEST(Softmax, Modules) {
  const Tensor x = from_values<float>({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(Softmax(0)(x).to_vector<float>(), softmax(x, 0).to_vector<float>());
  EXPECT_EQ(LogSoftmax()(x).to_vector<float>(), log_softmax(x).to_vector<float>());
  EXPECT_EQ(Softmax(1).describe(), "axis=1");
}

}  // namespace
}  // namespace gnn::testing
