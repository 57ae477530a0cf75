#include "gnn/kernels/gather_batch.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

std::int64_t detail::check_gather_batch(const Tensor& images, const Tensor& labels, const Tensor& indices,
                                        const Tensor& out, const Tensor& out_labels) {
  const char* const name = GatherBatch::name;
  check<ShapeError>(images.dim() >= 1 && indices.dim() == 1,
                    "{}: expected samples [N, ...] and indices [B], got {} and {}", name, images.shape(),
                    indices.shape());
  const Shape want = images.shape().with(0, indices.size(0));
  check<ShapeError>(out.shape() == want, "{}: expected a result of shape {}, got {}", name, want,
                    out.shape());
  check<ValueError>(labels.defined() == out_labels.defined(),
                    "{}: expected labels and a result for them, or neither", name);
  if (labels.defined()) {
    check<ShapeError>(labels.shape() == Shape{images.size(0)}, "{}: expected labels [{}], got {}", name,
                      images.size(0), labels.shape());
    check<ShapeError>(out_labels.shape() == indices.shape(), "{}: expected a result {} for labels, got {}",
                      name, indices.shape(), out_labels.shape());
  }
  std::int64_t size = 1;
  for (std::size_t axis = 1; axis < images.dim(); ++axis) size *= images.shape()[axis];
  return size;
}

void GatherBatch::cpu(const Tensor& images, const Tensor& labels, const Tensor& indices, double scale,
                      double shift, Tensor& out, Tensor& out_labels) {
  const std::int64_t size = detail::check_gather_batch(images, labels, indices, out, out_labels);
  const auto* source = images.data<std::uint8_t>();
  const auto* index = indices.data<std::int64_t>();
  dispatch_floating(name, out.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* target = out.mutable_data<T>();
    const auto factor = static_cast<T>(scale);
    const auto offset = static_cast<T>(shift);
    const std::int64_t grain = elementwise_grain / std::max<std::int64_t>(size, 1);
    parallel_for<Isa::avx2>(indices.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::uint8_t* pixels = source + index[b] * size;
        T* row = target + b * size;
        for (std::int64_t i = 0; i < size; ++i) row[i] = std::fma(static_cast<T>(pixels[i]), factor, offset);
      }
    });
  });
  if (!labels.defined()) return;
  const auto* from = labels.data<std::int64_t>();
  auto* to = out_labels.mutable_data<std::int64_t>();
  for (std::int64_t b = 0; b < indices.numel(); ++b) to[b] = from[index[b]];
}

}  // namespace gnn::kernels
