#include "gnn/kernels/cross_entropy.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/core/config.h"
#include "gnn/kernels/fast_exp.h"
#include "gnn/kernels/parallel.h"
#include "gnn/kernels/row_loops.h"

namespace gnn::kernels {
namespace {

void check_labels(const std::int64_t* labels, std::int64_t samples, std::int64_t classes,
                  std::int64_t ignore_index) {
  for (std::int64_t n = 0; n < samples; ++n) {
    check<IndexError>(
        (labels[n] >= 0 && labels[n] < classes) || labels[n] == ignore_index,
        "cross_entropy: label {} at position {} is not one of the {} classes 0 to {}, nor ignore_index {}",
        labels[n], n, classes, classes - 1, ignore_index);
  }
}

template <class T>
struct Samples {
  const T* logits;
  const std::int64_t* labels;
  const T* weight;  // or nullptr
  std::int64_t classes;
  CrossEntropyParameters parameters;
  T weight_sum;
  T factor;  // of the gradients
  T* losses;
  T* dlogits;  // or nullptr

  T target_weight(std::int64_t n) const {
    if (labels[n] == parameters.ignore_index) return T(0);
    return weight == nullptr ? T(1) : weight[labels[n]];
  }

  void ignore(std::int64_t n) const {
    losses[n] = T(0);
    if (dlogits != nullptr) std::fill(dlogits + n * classes, dlogits + (n + 1) * classes, T(0));
  }

  void compute(std::int64_t n) const {
    const T* const x = logits + n * classes;
    const std::int64_t label = labels[n];
    const T at_target = target_weight(n);
    const T largest = row_max(x, classes);
    T* const dx = dlogits == nullptr ? nullptr : dlogits + n * classes;
    const double sum =
        dx == nullptr ? row_sum(classes, [=](std::int64_t c) { return fast_exp(x[c] - largest); })
                      : row_sum(classes, [=](std::int64_t c) { return dx[c] = fast_exp(x[c] - largest); });
    // -log p[c] = (largest - x[c]) + log(sum): no digits are lost to the size of the logits.
    const double log_sum = std::log(sum);
    const double smoothing = parameters.label_smoothing;
    double loss = static_cast<double>(at_target) * (static_cast<double>(largest - x[label]) + log_sum);
    if (smoothing > 0) {
      const double all = row_sum(classes, [=, weights = weight](std::int64_t c) {
        const double surprise = static_cast<double>(largest - x[c]) + log_sum;
        return weights == nullptr ? surprise : static_cast<double>(weights[c]) * surprise;
      });
      loss = (1 - smoothing) * loss + smoothing / static_cast<double>(classes) * all;
    }
    losses[n] = static_cast<T>(loss);
    if (dx == nullptr) return;
    const T at_label = static_cast<T>(1 - smoothing) * at_target;
    const T at_all = static_cast<T>(smoothing / static_cast<double>(classes));
    const T scale = static_cast<T>(static_cast<double>(at_label + at_all * weight_sum) / sum);
    if (smoothing > 0) {
      for (std::int64_t c = 0; c < classes; ++c) {
        dx[c] = dx[c] * scale - at_all * (weight == nullptr ? T(1) : weight[c]);
      }
    } else {
      for (std::int64_t c = 0; c < classes; ++c) dx[c] *= scale;
    }
    dx[label] -= at_label;
    if (factor == T(1)) return;
    for (std::int64_t c = 0; c < classes; ++c) dx[c] *= factor;
  }
};

}  // namespace

void check_cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& weight, const Tensor& loss,
                         const Tensor& dlogits) {
  check<ShapeError>(logits.dim() == 2, "cross_entropy: expected logits [N, C], got {}", logits.shape());
  const Shape samples{logits.shape()[0]};
  check<DTypeError>(labels.dtype() == DType::int64, "cross_entropy: expected labels of int64, got {}",
                    labels.dtype());
  check<ShapeError>(labels.shape() == samples, "cross_entropy: expected labels {} for logits {}, got {}",
                    samples, logits.shape(), labels.shape());
  check<ShapeError>(!weight.defined() || weight.shape() == Shape{logits.shape()[1]},
                    "cross_entropy: expected weight [{}] for logits {}, got {}", logits.shape()[1],
                    logits.shape(), weight.defined() ? weight.shape() : Shape{});
  check<ShapeError>(loss.shape() == samples || loss.shape() == Shape{},
                    "cross_entropy: expected a loss {} or [], got {}", samples, loss.shape());
  check<ShapeError>(!dlogits.defined() || dlogits.shape() == logits.shape(),
                    "cross_entropy: expected a gradient {}", logits.shape());
}

std::int64_t take_label_errors(Device device) {
  if constexpr (built_with_cuda) {
    if (device.is_cuda()) return take_cuda_label_errors(device);
  }
  return 0;
}

void CrossEntropyForward::cpu(const Tensor& logits, const Tensor& labels, const Tensor& weight,
                              const CrossEntropyParameters& parameters, Tensor& loss, Tensor& dlogits) {
  check_cross_entropy(logits, labels, weight, loss, dlogits);
  const std::int64_t samples = logits.shape()[0], classes = logits.shape()[1];
  check_labels(labels.data<std::int64_t>(), samples, classes, parameters.ignore_index);
  const bool each = loss.dim() == 1;
  dispatch_floating(name, logits.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const weights = weight.defined() ? weight.data<T>() : nullptr;
    const double weight_sum = weights == nullptr
                                  ? static_cast<double>(classes)
                                  : row_sum(classes, [=](std::int64_t c) { return weights[c]; });
    Tensor losses = each ? loss : empty({samples}, logits.options());
    Samples<T> batch{logits.data<T>(),
                     labels.data<std::int64_t>(),
                     weights,
                     classes,
                     parameters,
                     static_cast<T>(weight_sum),
                     T(1),
                     losses.mutable_data<T>(),
                     dlogits.defined() ? dlogits.mutable_data<T>() : nullptr};
    const bool mean = !each && parameters.mean;
    const double divisor =
        mean ? row_sum(samples, [=](std::int64_t n) { return batch.target_weight(n); }) : 1.0;
    const T count = static_cast<T>(divisor);
    batch.factor = count == T(0) ? T(0) : T(1) / count;
    const std::int64_t grain = elementwise_grain / 4 / std::max<std::int64_t>(classes, 1);
    parallel_for(samples, grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        if (batch.labels[n] == batch.parameters.ignore_index) {
          batch.ignore(n);
        } else {
          batch.compute(n);
        }
      }
    });
    if (each) return;
    const double total = row_sum(samples, [=](std::int64_t n) { return batch.losses[n]; });
    *loss.mutable_data<T>() = static_cast<T>(mean ? total / divisor : total);
  });
}

void CrossEntropyBackward::cpu(const Tensor& dlogits, const Tensor& grad, Tensor& dx) {
  if (dlogits.numel() == 0) return;
  const std::int64_t samples = dlogits.shape()[0], classes = dlogits.shape()[1];
  check<ShapeError>(grad.numel() == 1 || grad.numel() == samples,
                    "cross_entropy: expected a gradient of 1 or {} elements, got {}", samples, grad.shape());
  dispatch_floating(name, dlogits.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const T* const source = dlogits.data<T>();
    const T* const factors = grad.data<T>();
    T* const target = dx.mutable_data<T>();
    const std::int64_t step = grad.numel() == 1 ? 0 : 1;
    parallel_for<elementwise_isa<T>>(samples, elementwise_grain / classes,
                                     [=](std::int64_t begin, std::int64_t end) {
                                       for (std::int64_t n = begin; n < end; ++n) {
                                         const T factor = factors[n * step];
                                         for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i)
                                           target[i] = source[i] * factor;
                                       }
                                     });
  });
}

}  // namespace gnn::kernels
