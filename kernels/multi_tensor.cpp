#include "gnn/kernels/multi_tensor.h"

#include "gnn/core/check.h"

namespace gnn::kernels {

void check_same_sizes(const char* kernel, std::span<const Tensor> parameters, const char* what,
                      std::span<const Tensor> list) {
  check<ShapeError>(list.size() == parameters.size(), "{}: expected {} {}, got {}", kernel, parameters.size(),
                    what, list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    check<ShapeError>(list[i].numel() == parameters[i].numel(),
                      "{}: expected {} element {} of shape {}, got {}", kernel, what, i,
                      parameters[i].shape(), list[i].shape());
  }
}

}  // namespace gnn::kernels
