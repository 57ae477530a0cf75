#include "cases/batch_metrics.h"

#include <limits>

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(BatchMetricsOp, cases::batch_metrics());

class BatchMetrics : public DeviceTest {
 protected:
  static void add(Tensor& totals, double loss) {
    kernels::run<kernels::BatchMetrics>(from_values<double>({loss}, {}, device()), Tensor(), Tensor(), 4,
                                        totals);
  }
};

TEST_P(BatchMetrics, RemembersTheFirstLossThatIsNotFinite) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
    Tensor totals = zeros({5}, {DType::float64, device()});
    add(totals, 0.5);
    EXPECT_EQ(totals.to_doubles(), (std::vector<double>{1, 2, 0, 0, 0}));
    add(totals, bad);
    add(totals, -bad);
    const std::vector<double> values = totals.to_doubles();
    EXPECT_EQ(values[0], 3);
    EXPECT_EQ(values[3], 2);
    EXPECT_TRUE(std::isnan(bad) ? std::isnan(values[4]) : values[4] == bad);
  }
}

TEST_P(BatchMetrics, ShapesMustFit) {
  Tensor totals = zeros({5}, {DType::float64, device()});
  Tensor short_totals = zeros({4}, {DType::float64, device()});
  const Tensor loss = zeros({}, {.device = device()});
  const Tensor labels = zeros({3}, {DType::int64, device()});
  const auto run = [&](const Tensor& a, const Tensor& b, const Tensor& c, std::int64_t n, Tensor& t) {
    kernels::run<kernels::BatchMetrics>(a, b, c, n, t);
  };
  EXPECT_THROW(run(zeros({2}, {.device = device()}), labels, labels, 3, totals), ShapeError);
  EXPECT_THROW(run(loss, labels, labels, 4, totals), ShapeError);
  EXPECT_THROW(run(loss, labels, zeros({2}, labels.options()), 3, totals), ShapeError);
  EXPECT_THROW(run(loss, labels, labels, 3, short_totals), ShapeError);
  EXPECT_EQ(totals.to_doubles(), std::vector<double>(5));
}

GNN_INSTANTIATE_FOR_DEVICES(BatchMetrics);

}  // namespace
}  // namespace gnn::testing
