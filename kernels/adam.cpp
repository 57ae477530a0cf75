#include "gnn/kernels/adam.h"

#include "gnn/kernels/adam_math.h"
#include "gnn/kernels/multi_tensor.h"

namespace gnn::kernels {

void AdamStep::cpu(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                   std::vector<Tensor>& exp_avgs, std::vector<Tensor>& exp_avg_sqs,
                   const Settings& settings) {
  if (parameters.empty()) return;
  check_same_sizes(name, parameters, "grads", grads);
  check_same_sizes(name, parameters, "exp_avgs", exp_avgs);
  check_same_sizes(name, parameters, "exp_avg_sqs", exp_avg_sqs);
  dispatch_floating(name, parameters.front().dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const AdamUpdate<T> update(settings);
    const std::vector<const T*> g = data_of<T>(grads);
    const std::vector<T*> p = mutable_data_of<T>(parameters);
    const std::vector<T*> m = mutable_data_of<T>(exp_avgs);
    const std::vector<T*> v = mutable_data_of<T>(exp_avg_sqs);
    parallel_for_tensors(
        element_ends(parameters), [&](std::size_t tensor, std::int64_t begin, std::int64_t end) {
          T* __restrict const values = p[tensor];
          T* __restrict const average = m[tensor];
          T* __restrict const square = v[tensor];
          const T* __restrict const gradient = g[tensor];
          const AdamUpdate<T> constants = update;  // a local copy: stores through T* cannot change it
          for (std::int64_t i = begin; i < end; ++i) constants(values[i], average[i], square[i], gradient[i]);
        });
  });
}

}  // namespace gnn::kernels
