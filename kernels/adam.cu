#include "gnn/kernels/adam.h"

#include "gnn/kernels/adam_math.h"
#include "gnn/kernels/multi_tensor.cuh"
#include "gnn/kernels/multi_tensor.h"

namespace gnn::kernels {
namespace {

// Lists: parameter, first moment, second moment, gradient.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    adam_kernel(const __grid_constant__ MultiTensorTable<4> table, AdamUpdate<T> update,
                const double* step_values) {
  update.load(step_values);
  for_each_element<T, 3>(table, [&](T(&values)[4]) { update(values[0], values[1], values[2], values[3]); });
}

}  // namespace

void AdamStep::cuda(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                    std::vector<Tensor>& exp_avgs, std::vector<Tensor>& exp_avg_sqs,
                    const Settings& settings) {
  if (parameters.empty()) return;
  check_same_sizes(name, parameters, "grads", grads);
  check_same_sizes(name, parameters, "exp_avgs", exp_avgs);
  check_same_sizes(name, parameters, "exp_avg_sqs", exp_avg_sqs);
  const Device device = parameters.front().device();
  dispatch_floating(name, parameters.front().dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const AdamUpdate<T> update(settings);
    for_each_table<4>(
        parameters,
        [&](std::size_t i) {
          return std::array<void*, 4>{parameters[i].mutable_data<T>(), exp_avgs[i].mutable_data<T>(),
                                      exp_avg_sqs[i].mutable_data<T>(), const_cast<T*>(grads[i].data<T>())};
        },
        [&](const MultiTensorTable<4>& table) {
          launch(adam_kernel<T>, table.grid(), elementwise_block, 0, device, table, update,
                 settings.step_values);
        });
  });
}

}  // namespace gnn::kernels
