#include "gnn/kernels/grad_norm.h"

#include <cmath>

#include "gnn/kernels/grad_norm_math.h"
#include "gnn/kernels/multi_tensor.h"

namespace gnn::kernels {
namespace {

// Elements per partial sum: fixed, so that the order of additions is.
constexpr std::int64_t chunk = 4096;

template <class T>
double sum_of_squares(const T* values, std::int64_t count) {
  constexpr int lanes = 16;  // independent sums that fill vector registers
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      sums[lane] += value * value;
    }
  }
  for (; i < count; ++i) sums[i % lanes] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

// One partial sum for each chunk of each tensor, in order, in one parallel region.
template <class T>
void add_partial_sums(std::span<const Tensor> grads, std::vector<double>& sums) {
  struct Chunk {
    const T* values;
    std::int64_t count;
  };
  std::vector<Chunk> chunks;
  for (const Tensor& grad : grads) {
    const T* const values = grad.data<T>();
    for (std::int64_t begin = 0; begin < grad.numel(); begin += chunk) {
      chunks.push_back({values + begin, std::min(chunk, grad.numel() - begin)});
    }
  }
  const std::size_t first = sums.size();
  sums.resize(first + chunks.size());
  double* const results = sums.data() + first;
  parallel_for(static_cast<std::int64_t>(chunks.size()), 2 * elementwise_grain / chunk,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t c = begin; c < end; ++c) {
                   const Chunk& piece = chunks[static_cast<std::size_t>(c)];
                   results[c] = sum_of_squares(piece.values, piece.count);
                 }
               });
}

// Applies rule(element, parameter) to all elements of all tensors; the parameter is `value` in the tensor's
// type.
template <class Rule>
void for_each_grad(const char* kernel, std::vector<Tensor>& grads, double value, const Rule& rule) {
  for_each_dtype(kernel, grads, [&](auto type, std::vector<Tensor>& same) {
    using T = typename decltype(type)::type;
    const std::vector<T*> pointers = mutable_data_of<T>(same);
    parallel_for_tensors(element_ends(same), [&](std::size_t tensor, std::int64_t begin, std::int64_t end) {
      T* const values = pointers[tensor];
      const T parameter = static_cast<T>(value);
      for (std::int64_t i = begin; i < end; ++i) values[i] = rule(values[i], parameter);
    });
  });
}

}  // namespace

void GradNorm::cpu(const std::vector<Tensor>& grads, Tensor& norm) {
  std::vector<double> sums;
  for_each_dtype(name, grads, [&](auto type, const std::vector<Tensor>& same) {
    add_partial_sums<typename decltype(type)::type>(same, sums);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  *norm.mutable_data<double>() = std::sqrt(total);
}

void ScaleToNorm::cpu(std::vector<Tensor>& grads, const Tensor& norm, double max_norm) {
  const double factor = clip_factor(*norm.data<double>(), max_norm);
  if (factor == 1) return;
  for_each_grad(name, grads, factor, [](auto value, auto parameter) { return value * parameter; });
}

void ClampGrads::cpu(std::vector<Tensor>& grads, double limit) {
  for_each_grad(name, grads, limit, [](auto value, auto parameter) { return clamp_to(value, parameter); });
}

}  // namespace gnn::kernels
