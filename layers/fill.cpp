#include "gnn/layers/fill.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/kernels/fill.h"

namespace gnn {

Tensor full(const Shape& shape, double value, const TensorOptions& options) {
  Tensor y = empty(shape, options);
  kernels::run<kernels::Fill>(y, value);
  return y;
}

Tensor full_like(const Tensor& tensor, double value) {
  return full(tensor.shape(), value, tensor.options());
}

Tensor ones(const Shape& shape, const TensorOptions& options) {
  return full(shape, 1, options);
}

Tensor ones_like(const Tensor& tensor) {
  return full_like(tensor, 1);
}

Tensor arange(double start, double end, double step, const TensorOptions& options) {
  check<ValueError>(std::isfinite(start) && std::isfinite(end) && std::isfinite(step) && step != 0,
                    "arange: expected finite bounds and a step other than 0, got start {}, end {}, step {}",
                    start, end, step);
  const double count = std::ceil((end - start) / step);
  check<ValueError>(count >= 0, "arange: a step of {} leads from {} away from {}", step, start, end);
  check<ValueError>(count < 0x1p60, "arange: {} to {} by {} has too many elements", start, end, step);
  Tensor y = empty({static_cast<std::int64_t>(count)}, options);
  kernels::run<kernels::Arange>(y, start, step);
  return y;
}

Tensor arange(std::int64_t end, Device device) {
  check<ValueError>(end >= 0, "arange: expected an end of at least 0, got {}", end);
  Tensor y = empty({end}, {.dtype = DType::int64, .device = device});
  kernels::run<kernels::Arange>(y, 0.0, 1.0);
  return y;
}

void fill(Tensor& tensor, double value) {
  kernels::run<kernels::Fill>(tensor, value);
}

}  // namespace gnn
