#include "gnn/kernels/broadcast.cuh"
#include "gnn/kernels/compare.h"
#include "gnn/kernels/compare_math.h"

namespace gnn::kernels {

namespace {

template <class Math, class T>
__global__ void __launch_bounds__(elementwise_block)
    compare_kernel(BroadcastGroups layout, Operand<T> a, Operand<T> b, std::uint8_t* y) {
  constexpr int n = vector_width<T>;
  for (std::int64_t group = global_thread(); group < layout.groups; group += grid_threads()) {
    const auto place = layout.place(group);
    const auto p = a.template load<n>(place.a, layout.step_a, place.valid);
    const auto q = b.template load<n>(place.b, layout.step_b, place.valid);
    Vector<std::uint8_t, n> result;
#pragma unroll
    for (int i = 0; i < n; ++i) result[i] = Math::value(p[i], q[i]);
    store_vector(y + place.y, result, place.valid);
  }
}

}  // namespace

void Compare::cuda(CompareOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  detail::check_compare(a, b, y);
  const BroadcastLayout layout = broadcast_layout(a.shape(), b.shape(), y.shape());
  dispatch_comparable(a.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const BroadcastGroups groups(layout, vector_width<T>);
    dispatch_compare(op, [&](auto math) {
      launch(compare_kernel<decltype(math), T>, elementwise_grid(groups.groups), elementwise_block, 0,
             y.device(), groups, Operand<T>{a.data<T>()}, Operand<T>{b.data<T>()},
             y.mutable_data<std::uint8_t>());
    });
  });
}

}  // namespace gnn::kernels
