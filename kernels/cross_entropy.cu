#include "gnn/kernels/cross_entropy.h"

#include <mutex>
#include <vector>

#include "gnn/core/error.h"
#include "gnn/kernels/log_sum_exp.cuh"

namespace gnn::kernels {
namespace {

/// Threads of the kernels that are one block.
constexpr int batch_block = 512;
/// Where one block does all faster than three launches: no more than 16 samples to a warp, and few enough
/// logits for one multiprocessor.
constexpr std::int64_t one_block_samples = 256;
constexpr std::int64_t one_block_logits = 8192;

template <class T>
struct Batch {
  const T* logits;
  const std::int64_t* labels;
  const T* weight;  // or nullptr
  std::int64_t samples;
  std::int64_t classes;
  std::int64_t ignore_index;
  T smoothing;
  T* dlogits;  // or nullptr
  unsigned long long* label_errors;

  __device__ bool ignored(std::int64_t n) const { return labels[n] == ignore_index; }
  __device__ bool valid(std::int64_t n) const { return labels[n] >= 0 && labels[n] < classes; }
  /// A label out of range counts: its NaN is to be seen.
  __device__ T target_weight(std::int64_t n) const {
    if (ignored(n)) return T(0);
    return weight == nullptr || !valid(n) ? T(1) : weight[labels[n]];
  }
};

/// What gradients of a mean are multiplied by.
template <class T>
__device__ __forceinline__ T factor_of(double divisor) {
  const T count = static_cast<T>(divisor);
  return count == T(0) ? T(0) : T(1) / count;
}

/// The loss of sample n, for all of its `Threads` threads, of which this one is number `rank`; writes
/// `factor` times its gradient. A row is read twice at most, the second time from a cache.
template <int Threads, class T>
__device__ __forceinline__ T sample_loss(const Batch<T>& batch, std::int64_t n, int rank, T factor) {
  const std::int64_t classes = batch.classes;
  const T* const x = batch.logits + n * classes;
  T* const dx = batch.dlogits == nullptr ? nullptr : batch.dlogits + n * classes;
  const bool ignored = batch.ignored(n);
  if (ignored || !batch.valid(n)) {
    const T value = ignored ? T(0) : static_cast<T>(NAN);
    if (rank == 0 && !ignored) atomicAdd(batch.label_errors, 1ull);
    if (dx != nullptr) {
      for (std::int64_t c = rank; c < classes; c += Threads) dx[c] = value;
    }
    return value;
  }

  const std::int64_t label = batch.labels[n];
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
  const T target_weight = batch.target_weight(n);
  const T loss = target_weight * ((total.largest - x[label]) + log_sum);

  const T at_label = (T(1) - batch.smoothing) * target_weight;
  const T at_all = batch.smoothing / static_cast<T>(classes);
  if (dx == nullptr && !smooth) return loss;
  const T scale = (at_label + at_all * weight_sum) / total.sum;
  T all = 0;
  for (std::int64_t c = rank; c < classes; c += Threads) {
    const T w = batch.weight == nullptr ? T(1) : batch.weight[c];
    if (smooth) all += w * ((total.largest - x[c]) + log_sum);
    if (dx != nullptr) {
      T value = std::exp(x[c] - total.largest) * scale;
      if (smooth) value -= at_all * w;
      dx[c] = (c == label ? value - at_label : value) * factor;
    }
  }
  if (!smooth) return loss;
  return (T(1) - batch.smoothing) * loss + at_all * block_reduce<Threads>(all, Plus{});
}

/// A loss for each sample, which is a warp's or a block's. Gradients are divided by *divisor, if there is
/// one.
template <int Threads, class T>
__global__ void __launch_bounds__(row_block, unspilled_blocks<T>)
    cross_entropy_kernel(Batch<T> batch, const double* divisor, T* losses) {
  constexpr int rows_per_block = row_block / Threads;
  const int rank = static_cast<int>(threadIdx.x) % Threads;
  const T factor = divisor == nullptr ? T(1) : factor_of<T>(*divisor);
  std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / Threads;
  for (; n < batch.samples; n += static_cast<std::int64_t>(gridDim.x) * rows_per_block) {
    const T loss = sample_loss<Threads>(batch, n, rank, factor);
    if (rank == 0) losses[n] = loss;
  }
}

/// The sum of the batch's target weights, for every thread of a block.
template <int Threads, class T>
__device__ __forceinline__ double target_weight_sum(const Batch<T>& batch) {
  double sum = 0;
  for (std::int64_t n = threadIdx.x; n < batch.samples; n += Threads) sum += batch.target_weight(n);
  return block_reduce<Threads>(sum, Plus{});
}

/// One block: the divisor of the mean, before the losses.
template <class T>
__global__ void __launch_bounds__(batch_block) cross_entropy_divisor_kernel(Batch<T> batch, double* divisor) {
  const double sum = target_weight_sum<batch_block>(batch);
  if (threadIdx.x == 0) *divisor = sum;
}

/// One block: the sum of the losses, over *divisor, if there is one.
template <class T>
__global__ void __launch_bounds__(batch_block)
    cross_entropy_sum_kernel(const T* losses, std::int64_t samples, const double* divisor, T* loss) {
  double total = 0;
  for (std::int64_t n = threadIdx.x; n < samples; n += batch_block) total += losses[n];
  total = block_reduce<batch_block>(total, Plus{});
  if (threadIdx.x == 0) *loss = static_cast<T>(divisor == nullptr ? total : total / *divisor);
}

/// All of a small batch in one block: divisor, losses and gradients, the losses' sum or mean.
template <class T>
__global__ void __launch_bounds__(batch_block)
    cross_entropy_batch_kernel(Batch<T> batch, bool mean, T* loss) {
  const double divisor = mean ? target_weight_sum<batch_block>(batch) : 1.0;
  const T factor = factor_of<T>(divisor);
  const int rank = static_cast<int>(threadIdx.x) % 32;
  double total = 0;
  for (std::int64_t n = threadIdx.x / 32; n < batch.samples; n += batch_block / 32) {
    const T value = sample_loss<32>(batch, n, rank, factor);
    if (rank == 0) total += value;
  }
  total = block_reduce<batch_block>(total, Plus{});
  if (threadIdx.x == 0) *loss = static_cast<T>(mean ? total / divisor : total);
}

template <bool GradPerSample, class T>
__global__ void __launch_bounds__(elementwise_block)
    cross_entropy_backward_kernel(const T* dlogits, const T* grad, std::int64_t classes, std::int64_t count,
                                  T* dx) {
  for (std::int64_t i = global_thread(); i < count; i += grid_threads())
    dx[i] = dlogits[i] * grad[GradPerSample ? i / classes : 0];
}

template <class T>
void launch_samples(const Batch<T>& batch, const double* divisor, T* losses, Device device) {
  if (batch.classes <= warp_row_limit) {
    launch(cross_entropy_kernel<32, T>, row_grid(batch.samples, 32), row_block, 0, device, batch, divisor,
           losses);
  } else {
    launch(cross_entropy_kernel<row_block, T>, row_grid(batch.samples, row_block), row_block, 0, device,
           batch, divisor, losses);
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
                               const CrossEntropyParameters& parameters, Tensor& loss, Tensor& dlogits) {
  check_cross_entropy(logits, labels, weight, loss, dlogits);
  dispatch_floating(name, logits.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const Device device = logits.device();
    Tensor counter = label_error_counter(device);
    const Batch<T> batch{logits.data<T>(),
                         labels.data<std::int64_t>(),
                         weight.defined() ? weight.data<T>() : nullptr,
                         logits.shape()[0],
                         logits.shape()[1],
                         parameters.ignore_index,
                         static_cast<T>(parameters.label_smoothing),
                         dlogits.defined() ? dlogits.mutable_data<T>() : nullptr,
                         reinterpret_cast<unsigned long long*>(counter.mutable_data<std::int64_t>())};
    T* const result = loss.mutable_data<T>();
    if (loss.dim() == 1) return launch_samples<T>(batch, nullptr, result, device);
    if (batch.samples <= one_block_samples && logits.numel() <= one_block_logits) {
      launch(cross_entropy_batch_kernel<T>, 1, batch_block, 0, device, batch, parameters.mean, result);
      return;
    }
    Tensor losses = empty({batch.samples}, logits.options());
    Tensor divisor;
    double* divide_by = nullptr;
    if (parameters.mean) {
      divisor = empty({}, {.dtype = DType::float64, .device = device});
      divide_by = divisor.mutable_data<double>();
      launch(cross_entropy_divisor_kernel<T>, 1, batch_block, 0, device, batch, divide_by);
    }
    launch_samples<T>(batch, divide_by, losses.mutable_data<T>(), device);
    launch(cross_entropy_sum_kernel<T>, 1, batch_block, 0, device, losses.data<T>(), batch.samples, divide_by,
           result);
  });
}

void CrossEntropyBackward::cuda(const Tensor& dlogits, const Tensor& grad, Tensor& dx) {
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
           dlogits.data<T>(), grad.data<T>(), dlogits.shape()[1], dlogits.numel(), dx.mutable_data<T>());
  });
}

}  // namespace gnn::kernels
