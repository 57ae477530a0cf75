#include "gnn/kernels/sgd.h"

#include "gnn/kernels/multi_tensor.h"
#include "gnn/kernels/sgd_math.h"

namespace gnn::kernels {

void SgdStep::cpu(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                  std::vector<Tensor>& momentum_buffers, const Settings& settings) {
  if (parameters.empty()) return;
  check_same_sizes(name, parameters, "grads", grads);
  if (settings.momentum != 0) check_same_sizes(name, parameters, "momentum_buffers", momentum_buffers);
  dispatch_floating(name, parameters.front().dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const SgdUpdate<T> update(settings);
    const std::vector<std::int64_t> ends = element_ends(parameters);
    const std::vector<const T*> g = data_of<T>(grads);
    const std::vector<T*> p = mutable_data_of<T>(parameters);
    if (settings.momentum == 0) {
      parallel_for_tensors(ends, [&](std::size_t tensor, std::int64_t begin, std::int64_t end) {
        T* __restrict const values = p[tensor];
        const T* __restrict const gradient = g[tensor];
        for (std::int64_t i = begin; i < end; ++i) update(values[i], gradient[i]);
      });
      return;
    }
    const std::vector<T*> b = mutable_data_of<T>(momentum_buffers);
    parallel_for_tensors(ends, [&](std::size_t tensor, std::int64_t begin, std::int64_t end) {
      T* __restrict const values = p[tensor];
      T* __restrict const buffer = b[tensor];
      const T* __restrict const gradient = g[tensor];
      const SgdUpdate<T> constants = update;  // a local copy: stores through T* cannot change it
      for (std::int64_t i = begin; i < end; ++i) constants(values[i], buffer[i], gradient[i]);
    });
  });
}

}  // namespace gnn::kernels
