#include "gnn/kernels/batch_metrics.h"

#include <cstdint>

#include "gnn/kernels/batch_metrics_math.h"
#include "gnn/kernels/reduce.cuh"

namespace gnn::kernels {
namespace {

// One block: the totals are few, and so are the samples of a batch.
template <class T>
__global__ void __launch_bounds__(reduce_block)
    batch_metrics_kernel(const T* loss, const std::int64_t* predictions, const std::int64_t* labels,
                         std::int64_t samples, double* totals) {
  int correct = 0;
  if (predictions != nullptr) {
    for (std::int64_t i = threadIdx.x; i < samples; i += reduce_block)
      correct += predictions[i] == labels[i] ? 1 : 0;
    correct = block_reduce<reduce_block>(correct, Plus{});
  }
  if (threadIdx.x == 0) add_batch(static_cast<double>(*loss), samples, correct, totals);
}

}  // namespace

void BatchMetrics::cuda(const Tensor& loss, const Tensor& predictions, const Tensor& labels,
                        std::int64_t samples, Tensor& totals) {
  detail::check_batch_metrics(loss, predictions, labels, samples, totals);
  dispatch_floating(name, loss.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    launch(batch_metrics_kernel<T>, 1, reduce_block, 0, loss.device(), loss.data<T>(),
           predictions.defined() ? predictions.data<std::int64_t>() : nullptr,
           predictions.defined() ? labels.data<std::int64_t>() : nullptr, samples,
           totals.mutable_data<double>());
  });
}

}  // namespace gnn::kernels
