#include "gnn/kernels/batch_metrics.h"

#include <cmath>
#include <cstdint>

#include "gnn/kernels/batch_metrics_math.h"
#include "gnn/kernels/reduce.cuh"

namespace gnn::kernels {

template <class T>
__device__ __forceinline__ Candidate<T> shuffle_xor(Candidate<T> value, int mask) {
  return {shuffle_xor(value.value, mask), shuffle_xor(value.index, mask)};
}

namespace {

/// Logits that one block reads in a few microseconds; for more, all of the GPU predicts first.
constexpr std::int64_t one_block_logits = 16384;
constexpr int metrics_block = 512;

struct Better {
  template <class T>
  __device__ Candidate<T> operator()(Candidate<T> a, Candidate<T> b) const {
    return a.beats(b) ? a : b;
  }
};

// One block: the totals are few, and so are the samples of a batch. Predictions are given, or made here: a
// sample is a warp's.
template <class Loss, class T>
__global__ void __launch_bounds__(metrics_block)
    batch_metrics_kernel(const Loss* loss, const T* logits, const std::int64_t* predictions,
                         const std::int64_t* labels, std::int64_t samples, std::int64_t classes,
                         double* totals) {
  int correct = 0;
  if (predictions != nullptr) {
    for (std::int64_t n = threadIdx.x; n < samples; n += metrics_block)
      correct += predictions[n] == labels[n] ? 1 : 0;
  } else if (logits != nullptr) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    for (std::int64_t n = threadIdx.x / 32; n < samples; n += metrics_block / 32) {
      const T* const row = logits + n * classes;
      Candidate<T> best{-static_cast<T>(INFINITY), INT64_MAX};  // which every logit beats
      for (std::int64_t c = lane; c < classes; c += 32) best = Better{}(Candidate<T>{row[c], c}, best);
      best = warp_reduce(best, Better{});
      if (lane == 0) correct += best.index == labels[n] ? 1 : 0;
    }
  }
  correct = block_reduce<metrics_block>(correct, Plus{});
  if (threadIdx.x == 0) add_batch(static_cast<double>(*loss), samples, correct, totals);
}

}  // namespace

void BatchMetrics::cuda(const Tensor& loss, const Tensor& logits, const Tensor& labels, std::int64_t samples,
                        Tensor& totals) {
  detail::check_batch_metrics(loss, logits, labels, samples, totals);
  const bool labelled = logits.defined();
  Tensor predictions;
  if (labelled && logits.numel() > one_block_logits) {
    predictions = empty({samples}, labels.options());
    Tensor no_values;
    Max::cuda(logits, {samples, logits.size(1), 1}, no_values, predictions);
  }
  dispatch_floating(name, loss.dtype(), [&](auto loss_type) {
    using Loss = typename decltype(loss_type)::type;
    dispatch_floating(name, labelled ? logits.dtype() : loss.dtype(), [&](auto type) {
      using T = typename decltype(type)::type;
      launch(batch_metrics_kernel<Loss, T>, 1, metrics_block, 0, loss.device(), loss.data<Loss>(),
             labelled ? logits.data<T>() : nullptr,
             predictions.defined() ? predictions.data<std::int64_t>() : nullptr,
             labelled ? labels.data<std::int64_t>() : nullptr, samples, labelled ? logits.size(1) : 0,
             totals.mutable_data<double>());
    });
  });
}

}  // namespace gnn::kernels
