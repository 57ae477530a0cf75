#include "gnn/kernels/sgd.h"

#include "gnn/kernels/multi_tensor.cuh"
#include "gnn/kernels/multi_tensor.h"
#include "gnn/kernels/sgd_math.h"

namespace gnn::kernels {
namespace {

// Lists: parameter, gradient.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    sgd_kernel(const __grid_constant__ MultiTensorTable<2> table, SgdUpdate<T> update,
               const double* step_values) {
  update.load(step_values);
  for_each_element<T, 1>(table, [&](T(&values)[2]) { update(values[0], values[1]); });
}

// Lists: parameter, momentum buffer, gradient.
template <class T>
__global__ void __launch_bounds__(elementwise_block)
    sgd_momentum_kernel(const __grid_constant__ MultiTensorTable<3> table, SgdUpdate<T> update,
                        const double* step_values) {
  update.load(step_values);
  for_each_element<T, 2>(table, [&](T(&values)[3]) { update(values[0], values[1], values[2]); });
}

}  // namespace

void SgdStep::cuda(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads,
                   std::vector<Tensor>& momentum_buffers, const Settings& settings) {
  if (parameters.empty()) return;
  check_same_sizes(name, parameters, "grads", grads);
  if (settings.momentum != 0) check_same_sizes(name, parameters, "momentum_buffers", momentum_buffers);
  const Device device = parameters.front().device();
  dispatch_floating(name, parameters.front().dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const SgdUpdate<T> update(settings);
    const auto gradient = [&](std::size_t i) { return const_cast<T*>(grads[i].data<T>()); };
    if (settings.momentum == 0) {
      for_each_table<2>(
          parameters,
          [&](std::size_t i) {
            return std::array<void*, 2>{parameters[i].mutable_data<T>(), gradient(i)};
          },
          [&](const MultiTensorTable<2>& table) {
            launch(sgd_kernel<T>, table.grid(), elementwise_block, 0, device, table, update,
                   settings.step_values);
          });
      return;
    }
    for_each_table<3>(
        parameters,
        [&](std::size_t i) {
          return std::array<void*, 3>{parameters[i].mutable_data<T>(), momentum_buffers[i].mutable_data<T>(),
                                      gradient(i)};
        },
        [&](const MultiTensorTable<3>& table) {
          launch(sgd_momentum_kernel<T>, table.grid(), elementwise_block, 0, device, table, update,
                 settings.step_values);
        });
  });
}

}  // namespace gnn::kernels
