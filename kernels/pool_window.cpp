#include "gnn/kernels/pool_window.h"

#include "gnn/core/check.h"

namespace gnn::kernels {

PoolShape pool_shape(const char* kernel, const Tensor& input, const Tensor& output,
                     const PoolWindow& window) {
  const Shape& in = input.shape();
  const Shape& out = output.shape();
  check<ShapeError>(
      in.dim() >= 2 && in.dim() == out.dim() && std::equal(in.begin(), in.end() - 2, out.begin()),
      "{}: expected images [..., H, W] with the same leading dimensions, got {} and {}", kernel, in, out);
  check<ValueError>(window.size.h > 0 && window.size.w > 0 && window.stride.h > 0 && window.stride.w > 0 &&
                        window.dilation.h > 0 && window.dilation.w > 0 && window.padding.h >= 0 &&
                        window.padding.w >= 0,
                    "{}: expected size, stride and dilation >= 1 and padding >= 0", kernel);
  PoolShape shape{1, {in.size(-2), in.size(-1)}, {out.size(-2), out.size(-1)}};
  for (std::size_t axis = 0; axis + 2 < in.dim(); ++axis) shape.planes *= in[axis];
  return shape;
}

std::int64_t pool_output_size(std::int64_t input, std::int64_t size, std::int64_t stride,
                              std::int64_t padding, std::int64_t dilation, bool ceil_mode) {
  const std::int64_t room = input + 2 * padding - dilation * (size - 1) - 1;
  if (room < 0) return 0;
  std::int64_t outputs = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (outputs - 1) * stride >= input + padding) --outputs;
  return outputs;
}

}  // namespace gnn::kernels
