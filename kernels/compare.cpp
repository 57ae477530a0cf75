#include "gnn/kernels/compare.h"

#include "gnn/core/check.h"
#include "gnn/kernels/broadcast_loops.h"
#include "gnn/kernels/compare_math.h"

namespace gnn::kernels {

void detail::check_compare(const Tensor& a, const Tensor& b, const Tensor& y) {
  check<ShapeError>(broadcast_shapes(Compare::name, a.shape(), b.shape()) == y.shape(),
                    "{}: shapes {} and {} do not give {}", Compare::name, a.shape(), b.shape(), y.shape());
  check<DTypeError>(a.dtype() == b.dtype(), "{}: expected one dtype, got {} and {}", Compare::name, a.dtype(),
                    b.dtype());
  check<DTypeError>(y.dtype() == DType::uint8, "{}: expected a result of uint8, got {}", Compare::name,
                    y.dtype());
}

void Compare::cpu(CompareOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  detail::check_compare(a, b, y);
  const BroadcastLayout layout = broadcast_layout(a.shape(), b.shape(), y.shape());
  dispatch_comparable(a.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    dispatch_compare(op, [&](auto math) {
      for_each_pair(layout, y.numel(), a.data<T>(), b.data<T>(),
                    [out = y.mutable_data<std::uint8_t>()](std::int64_t i, T p, T q) {
                      out[i] = decltype(math)::value(p, q);
                    });
    });
  });
}

}  // namespace gnn::kernels
