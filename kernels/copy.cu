#include "gnn/kernels/convert.h"
#include "gnn/kernels/copy.h"
#include "gnn/kernels/vector.cuh"

namespace gnn::kernels {
namespace {

template <class To, class From>
struct Convert {
  __device__ To operator()(From value) const { return convert<To>(value); }
};

}  // namespace

void Cast::cuda(const Tensor& x, Tensor& y) {
  detail::check_cast(x, y);
  if (x.dtype() == y.dtype()) return y.copy_from(x);
  dispatch_all(name, x.dtype(), [&](auto from) {
    using From = typename decltype(from)::type;
    dispatch_all(name, y.dtype(), [&](auto to) {
      using To = typename decltype(to)::type;
      launch_elementwise(y.device(), y.numel(), Convert<To, From>{}, y.mutable_data<To>(), x.data<From>());
    });
  });
}

}  // namespace gnn::kernels
