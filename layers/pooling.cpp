#include "gnn/layers/pooling.h"

#include "gnn/core/check.h"

namespace gnn {

Shape pooled_shape(const char* op, const Tensor& x, const kernels::PoolWindow& window, bool ceil_mode) {
  const auto at_least = [op](const char* what, Size2 got, std::int64_t least) {
    check<ValueError>(got.h >= least && got.w >= least, "{}: expected {} >= {}, got {}", op, what, least,
                      got.to_string());
  };
  at_least("kernel_size", window.size, 1);
  at_least("stride", window.stride, 1);
  at_least("dilation", window.dilation, 1);
  at_least("padding", window.padding, 0);
  const Size2 most(((window.size.h - 1) * window.dilation.h + 1) / 2,
                   ((window.size.w - 1) * window.dilation.w + 1) / 2);
  check<ValueError>(window.padding.h <= most.h && window.padding.w <= most.w,
                    "{}: expected padding of at most half the kernel ({}), got {}", op, most.to_string(),
                    window.padding.to_string());
  check<ShapeError>(x.dim() == 3 || x.dim() == 4, "{}: expected input [N, C, H, W] or [C, H, W], got {}", op,
                    x.shape());
  const Size2 in(x.size(-2), x.size(-1));
  const Size2 out(kernels::pool_output_size(in.h, window.size.h, window.stride.h, window.padding.h,
                                            window.dilation.h, ceil_mode),
                  kernels::pool_output_size(in.w, window.size.w, window.stride.w, window.padding.w,
                                            window.dilation.w, ceil_mode));
  check<ShapeError>(
      in.h > 0 && in.w > 0 && out.h > 0 && out.w > 0,
      "{}: expected images of at least one window (kernel_size {}, dilation {}, padding {}), got {}", op,
      window.size.to_string(), window.dilation.to_string(), window.padding.to_string(), x.shape());
  return x.shape().with(x.dim() - 2, out.h).with(x.dim() - 1, out.w);
}

}  // namespace gnn
