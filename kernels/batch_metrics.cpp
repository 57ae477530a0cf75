#include "gnn/kernels/batch_metrics.h"

#include "gnn/core/check.h"
#include "gnn/kernels/batch_metrics_math.h"

namespace gnn::kernels {
namespace {

template <class T>
std::int64_t count_correct(const T* logits, const std::int64_t* labels, std::int64_t samples,
                           std::int64_t classes) {
  std::int64_t correct = 0;
  for (std::int64_t n = 0; n < samples; ++n) {
    const T* const row = logits + n * classes;
    Candidate<T> best{row[0], 0};
    for (std::int64_t c = 1; c < classes; ++c) {
      if (const Candidate<T> next{row[c], c}; next.beats(best)) best = next;
    }
    correct += best.index == labels[n] ? 1 : 0;
  }
  return correct;
}

}  // namespace

void detail::check_batch_metrics(const Tensor& loss, const Tensor& logits, const Tensor& labels,
                                 std::int64_t samples, const Tensor& totals) {
  const char* const name = BatchMetrics::name;
  check<ShapeError>(loss.numel() == 1, "{}: expected a loss of one element, got {}", name, loss.shape());
  check<ShapeError>(totals.shape() == Shape{BatchMetrics::count}, "{}: expected totals [{}], got {}", name,
                    BatchMetrics::count, totals.shape());
  if (!logits.defined()) return;
  check<ShapeError>(logits.dim() == 2 && logits.size(0) == samples && logits.size(1) > 0 &&
                        labels.shape() == Shape{samples},
                    "{}: expected logits [{}, C] and labels [{}], got {} and {}", name, samples, samples,
                    logits.shape(), labels.shape());
  check<DTypeError>(labels.dtype() == DType::int64, "{}: expected labels of int64, got {}", name,
                    name_of(labels.dtype()));
}

void BatchMetrics::cpu(const Tensor& loss, const Tensor& logits, const Tensor& labels, std::int64_t samples,
                       Tensor& totals) {
  detail::check_batch_metrics(loss, logits, labels, samples, totals);
  std::int64_t correct = 0;
  if (logits.defined()) {
    dispatch_floating(name, logits.dtype(), [&](auto type) {
      using T = typename decltype(type)::type;
      correct = count_correct(logits.data<T>(), labels.data<std::int64_t>(), samples, logits.size(1));
    });
  }
  dispatch_floating(name, loss.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    add_batch(static_cast<double>(*loss.data<T>()), samples, correct, totals.mutable_data<double>());
  });
}

}  // namespace gnn::kernels
