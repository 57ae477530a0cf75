#include "gnn/kernels/elementwise_loss.h"

#include "gnn/core/check.h"

namespace gnn::kernels {

void check_elementwise_loss(const char* kernel, const Tensor& input, const Tensor& target,
                            const Tensor& reduced, const Tensor& dinput, const Tensor& dtarget) {
  const std::int64_t count = input.numel();
  check<ShapeError>(target.numel() == count && (!dinput.defined() || dinput.numel() == count) &&
                        (!dtarget.defined() || dtarget.numel() == count),
                    "{}: expected tensors of {} elements", kernel, count);
  check<ShapeError>(reduced.numel() == 1 || reduced.numel() == count,
                    "{}: expected a loss of 1 or {} elements, got {}", kernel, count, reduced.shape());
}

}  // namespace gnn::kernels
