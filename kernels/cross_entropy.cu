#include "gnn/kernels/cross_entropy.h"

#include <mutex>
#include <vector>

#include "gnn/core/error.h"
#include "gnn/kernels/log_sum_exp.cuh"

namespace gnn::kernels {
namespace {

template <class T>
struct Batch {
  const T* logits;
  const std::int64_t* labels;
  const T* weight;  // or nullptr
  std::int64_t samples;
  std::int64_t classes;
  std::int64_t ignore_index;
  T smoothing;
  T* losses;
  T* target_weights;
  T* dlogits;  // or nullptr
  unsigned long long* label_errors;
};

// A row is a warp's or a block's. It is read twice at most, the second time from a cache.
template <int Threads, class T>
__global__ void __launch_bounds__(row_block, unspilled_blocks<T>) cross_entropy_kernel(Batch<T> batch) {
  const int rank = static_cast<int>(threadIdx.x) % Threads;
  constexpr int rows_per_block = row_block / Threads;
  const std::int64_t classes = batch.classes;
  std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / Threads;
  for (; n < batch.samples; n += static_cast<std::int64_t>(gridDim.x) * rows_per_block) {
    const T* const x = batch.logits + n * classes;
    T* const dx = batch.dlogits == nullptr ? nullptr : batch.dlogits + n * classes;
    const std::int64_t label = batch.labels[n];
    const bool ignored = label == batch.ignore_index;
    if (ignored || label < 0 || label >= classes) {
      const T value = ignored ? T(0) : static_cast<T>(NAN);
      if (rank == 0) {
        batch.losses[n] = value;
        batch.target_weights[n] = ignored ? T(0) : T(1);
        if (!ignored) atomicAdd(batch.label_errors, 1ull);
      }
      if (dx != nullptr) {
        for (std::int64_t c = rank; c < classes; c += Threads) dx[c] = value;
      }
      continue;
    }

    const bool smooth = batch.smoothing > T(0);
    ExpSum<T> total = ExpSum<T>::none();
    T weight_sum = 0;
    for (std::int64_t c = rank; c < classes; c += Threads) {
      total.add(x[c]);
      if (smooth) weight_sum += batch.weight == nullptr ? T(1) : batch.weight[c];
    }
    total = block_reduce<Threads>(total, CombineExpSums{});
    if (smooth) weight_sum = block_reduce<Threads>(weight_sum, Plus{});
    // -log p[c] = (largest - x[c]) + log(sum): no digits are lost to the size of the logits.
    const T log_sum = std::log(total.sum);
    const T target_weight = batch.weight == nullptr ? T(1) : batch.weight[label];
    T loss = target_weight * ((total.largest - x[label]) + log_sum);

    const T at_label = (T(1) - batch.smoothing) * target_weight;
    const T at_all = batch.smoothing / static_cast<T>(classes);
    if (dx != nullptr || smooth) {
      const T scale = (at_label + at_all * weight_sum) / total.sum;
      T all = 0;
      for (std::int64_t c = rank; c < classes; c += Threads) {
        const T w = batch.weight == nullptr ? T(1) : batch.weight[c];
        if (smooth) all += w * ((total.largest - x[c]) + log_sum);
        if (dx != nullptr) {
          T value = std::exp(x[c] - total.largest) * scale;
          if (smooth) value -= at_all * w;
          dx[c] = c == label ? value - at_label : value;
        }
      }
      if (smooth) loss = (T(1) - batch.smoothing) * loss + at_all * block_reduce<Threads>(all, Plus{});
    }
    if (rank == 0) {
      batch.losses[n] = loss;
      batch.target_weights[n] = target_weight;
    }
  }
}

// One block: a batch has thousands of samples at most. `mean` divides by the sum of the target weights.
template <class T>
__global__ void __launch_bounds__(row_block)
    cross_entropy_reduce_kernel(const T* losses, const T* target_weights, std::int64_t samples, bool mean,
                                T* loss, T* divisor) {
  double total = 0;
  double count = 0;
  for (std::int64_t n = threadIdx.x; n < samples; n += row_block) {
    total += losses[n];
    if (mean) count += target_weights[n];
  }
  total = block_reduce<row_block>(total, Plus{});
  if (mean) count = block_reduce<row_block>(count, Plus{});
  if (threadIdx.x == 0) {
    *loss = static_cast<T>(mean ? total / count : total);
    if (mean) *divisor = static_cast<T>(count);
  }
}

template <bool GradPerSample, class T>
__global__ void __launch_bounds__(elementwise_block)
    cross_entropy_backward_kernel(const T* dlogits, const T* grad, const T* divisor, std::int64_t classes,
                                  std::int64_t count, T* dx) {
  T scale = divisor == nullptr ? T(1) : *divisor;
  scale = scale == T(0) ? T(0) : T(1) / scale;
  if (!GradPerSample) scale *= *grad;
  for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
    dx[i] = dlogits[i] * (GradPerSample ? grad[i / classes] * scale : scale);
  }
}

// The counter of each device, made when it is first needed and never freed: kernels in flight may hold its
// address, and the runtime may be gone when statics are destroyed.
Tensor label_error_counter(Device device) {
  static std::mutex mutex;
  static std::vector<Tensor>* const counters = new std::vector<Tensor>;
  const std::lock_guard lock(mutex);
  const auto index = static_cast<std::size_t>(device.index);
  if (counters->size() <= index) counters->resize(index + 1);
  Tensor& counter = (*counters)[index];
  if (!counter.defined()) {
    counter = zeros({1}, {.dtype = DType::int64, .device = device});
    synchronize(device);  // other streams use it too
  }
  return counter;
}

}  // namespace

std::int64_t take_cuda_label_errors(Device device) {
  Tensor counter = label_error_counter(device);
  synchronize(device);
  const std::int64_t errors = counter.to_vector<std::int64_t>()[0];
  if (errors != 0) {
    counter.copy_from(zeros({1}, {.dtype = DType::int64, .device = device}));
    synchronize(device);
  }
  return errors;
}

void CrossEntropyForward::cuda(const Tensor& logits, const Tensor& labels, const Tensor& weight,
                               const CrossEntropyParameters& parameters, Tensor& losses,
                               Tensor& target_weights, Tensor& dlogits) {
  check_cross_entropy(logits, labels, weight, losses, target_weights, dlogits);
  dispatch_floating(name, logits.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    Tensor counter = label_error_counter(logits.device());
    const Batch<T> batch{logits.data<T>(),
                         labels.data<std::int64_t>(),
                         weight.defined() ? weight.data<T>() : nullptr,
                         logits.shape()[0],
                         logits.shape()[1],
                         parameters.ignore_index,
                         static_cast<T>(parameters.label_smoothing),
                         losses.mutable_data<T>(),
                         target_weights.mutable_data<T>(),
                         dlogits.defined() ? dlogits.mutable_data<T>() : nullptr,
                         reinterpret_cast<unsigned long long*>(counter.mutable_data<std::int64_t>())};
    if (batch.classes <= warp_row_limit) {
      launch(cross_entropy_kernel<32, T>, row_grid(batch.samples, 32), row_block, 0, logits.device(), batch);
    } else {
      launch(cross_entropy_kernel<row_block, T>, row_grid(batch.samples, row_block), row_block, 0,
             logits.device(), batch);
    }
  });
}

void CrossEntropyReduce::cuda(const Tensor& losses, const Tensor& target_weights, Tensor& loss,
                              Tensor& divisor) {
  dispatch_floating(name, losses.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const bool mean = target_weights.defined();
    launch(cross_entropy_reduce_kernel<T>, 1, row_block, 0, losses.device(), losses.data<T>(),
           mean ? target_weights.data<T>() : nullptr, losses.numel(), mean, loss.mutable_data<T>(),
           mean ? divisor.mutable_data<T>() : nullptr);
  });
}

void CrossEntropyBackward::cuda(const Tensor& dlogits, const Tensor& grad, const Tensor& divisor,
                                Tensor& dx) {
  if (dlogits.numel() == 0) return;
  const std::int64_t samples = dlogits.shape()[0];
  const bool per_sample = grad.numel() != 1 || samples == 1;
  if (per_sample && grad.numel() != samples)
    throw ShapeError("cross_entropy: the gradient has the wrong shape");
  dispatch_floating(name, dlogits.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto kernel =
        per_sample ? cross_entropy_backward_kernel<true, T> : cross_entropy_backward_kernel<false, T>;
    launch(kernel, elementwise_grid(dlogits.numel()), elementwise_block, 0, dlogits.device(),
           dlogits.data<T>(), grad.data<T>(), divisor.defined() ? divisor.data<T>() : nullptr,
           dlogits.shape()[1], dlogits.numel(), dx.mutable_data<T>());
  });
}

}  // namespace gnn::kernels
