#include "gnn/kernels/copy.h"

#include "gnn/core/check.h"
#include "gnn/kernels/convert.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

namespace detail {

void check_cast(const Tensor& x, const Tensor& y) {
  check<ShapeError>(x.shape() == y.shape(), "{}: expected shape {}, got {}", Cast::name, x.shape(),
                    y.shape());
}

}  // namespace detail

void Cast::cpu(const Tensor& x, Tensor& y) {
  detail::check_cast(x, y);
  if (x.dtype() == y.dtype()) return y.copy_from(x);
  dispatch_all(name, x.dtype(), [&](auto from) {
    using From = typename decltype(from)::type;
    dispatch_all(name, y.dtype(), [&](auto to) {
      using To = typename decltype(to)::type;
      const From* const in = x.data<From>();
      To* const out = y.mutable_data<To>();
      parallel_for<Isa::base>(x.numel(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) out[i] = convert<To>(in[i]);
      });
    });
  });
}

}  // namespace gnn::kernels
