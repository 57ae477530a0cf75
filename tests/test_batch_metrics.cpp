#include "cases/batch_metrics.h"

#include <algorithm>
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

TEST_P(BatchMetrics, TiesGoToTheFirstClassAndNanIsLargest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> rows = {1,         2,         2,           // 1
                                   nan,       infinity,  nan,         // 0
                                   3,         nan,       infinity,    // 1
                                   -infinity, -infinity, -infinity};  // 0
  const auto correct = [&](std::int64_t classes, const std::vector<float>& values,
                           const std::vector<std::int64_t>& labels) {
    const auto samples = static_cast<std::int64_t>(labels.size());
    Tensor totals = zeros({5}, {DType::float64, device()});
    kernels::run<kernels::BatchMetrics>(zeros({}, {.device = device()}),
                                        from_values(values, {samples, classes}, device()),
                                        from_values(labels, {samples}, device()), samples, totals);
    return totals.to_doubles()[2];
  };
  EXPECT_EQ(correct(3, rows, {1, 0, 1, 0}), 4);
  EXPECT_EQ(correct(3, rows, {2, 2, 2, 1}), 0);
  // The same where a GPU predicts in a launch of its own.
  std::vector<float> wide;
  for (std::size_t row = 0; row < 4; ++row) {
    wide.insert(wide.end(), 5000, -infinity);
    std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(3 * row), 3, wide.end() - 5000);
  }
  EXPECT_EQ(correct(5000, wide, {1, 0, 1, 0}), 4);
  EXPECT_EQ(correct(5000, wide, {2, 2, 2, 1}), 0);
}

TEST_P(BatchMetrics, ShapesMustFit) {
  Tensor totals = zeros({5}, {DType::float64, device()});
  Tensor short_totals = zeros({4}, {DType::float64, device()});
  const Tensor loss = zeros({}, {.device = device()});
  const Tensor labels = zeros({3}, {DType::int64, device()});
  const Tensor logits = zeros({3, 2}, {.device = device()});
  const auto run = [&](const Tensor& a, const Tensor& b, const Tensor& c, std::int64_t n, Tensor& t) {
    kernels::run<kernels::BatchMetrics>(a, b, c, n, t);
  };
  EXPECT_THROW(run(zeros({2}, {.device = device()}), logits, labels, 3, totals), ShapeError);
  EXPECT_THROW(run(loss, logits, labels, 4, totals), ShapeError);
  EXPECT_THROW(run(loss, logits, zeros({2}, labels.options()), 3, totals), ShapeError);
  EXPECT_THROW(run(loss, zeros({3, 0}, logits.options()), labels, 3, totals), ShapeError);
  EXPECT_THROW(run(loss, labels, labels, 3, totals), ShapeError);
  EXPECT_THROW(run(loss, logits, zeros({3}, logits.options()), 3, totals), DTypeError);
  EXPECT_THROW(run(loss, logits, labels, 3, short_totals), ShapeError);
  EXPECT_EQ(totals.to_doubles(), std::vector<double>(5));
}

GNN_INSTANTIATE_FOR_DEVICES(BatchMetrics);

}  // namespace
}  // namespace gnn::testing
