#include "gnn/kernels/batch_metrics.h"

#include "gnn/core/check.h"
#include "gnn/kernels/batch_metrics_math.h"

namespace gnn::kernels {

void detail::check_batch_metrics(const Tensor& loss, const Tensor& predictions, const Tensor& labels,
                                 std::int64_t samples, const Tensor& totals) {
  const char* const name = BatchMetrics::name;
  check<ShapeError>(loss.numel() == 1, "{}: expected a loss of one element, got {}", name, loss.shape());
  check<ShapeError>(totals.shape() == Shape{BatchMetrics::count}, "{}: expected totals [{}], got {}", name,
                    BatchMetrics::count, totals.shape());
  if (!predictions.defined()) return;
  check<ShapeError>(predictions.shape() == Shape{samples} && labels.shape() == Shape{samples},
                    "{}: expected predictions and labels [{}], got {} and {}", name, samples,
                    predictions.shape(), labels.shape());
}

void BatchMetrics::cpu(const Tensor& loss, const Tensor& predictions, const Tensor& labels,
                       std::int64_t samples, Tensor& totals) {
  detail::check_batch_metrics(loss, predictions, labels, samples, totals);
  std::int64_t correct = 0;
  if (predictions.defined()) {
    const auto* predicted = predictions.data<std::int64_t>();
    const auto* expected = labels.data<std::int64_t>();
    for (std::int64_t i = 0; i < samples; ++i) correct += predicted[i] == expected[i] ? 1 : 0;
  }
  dispatch_floating(name, loss.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    add_batch(static_cast<double>(*loss.data<T>()), samples, correct, totals.mutable_data<double>());
  });
}

}  // namespace gnn::kernels
