#include "gnn/kernels/gather_batch.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/kernels/parallel.h"

namespace gnn::kernels {

std::int64_t detail::gather_sample_size(const char* kernel, const Tensor& source, const Tensor& indices,
                                        const Tensor& out) {
  check<ShapeError>(source.dim() >= 1 && indices.dim() == 1,
                    "{}: expected samples [N, ...] and indices [B], got {} and {}", kernel, source.shape(),
                    indices.shape());
  const Shape want = source.shape().with(0, indices.size(0));
  check<ShapeError>(out.shape() == want, "{}: expected a result of shape {}, got {}", kernel, want,
                    out.shape());
  std::int64_t size = 1;
  for (std::size_t axis = 1; axis < source.dim(); ++axis) size *= source.shape()[axis];
  return size;
}

void detail::check_gather_labels(const char* kernel, const Tensor& labels, const Tensor& indices,
                                 const Tensor& out) {
  check<ShapeError>(labels.dim() == 1, "{}: expected labels [N], got {}", kernel, labels.shape());
  gather_sample_size(kernel, labels, indices, out);
}

void GatherBatch::cpu(const Tensor& images, const Tensor& indices, double scale, double shift, Tensor& out) {
  const std::int64_t size = detail::gather_sample_size(name, images, indices, out);
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
}

void GatherLabels::cpu(const Tensor& labels, const Tensor& indices, Tensor& out) {
  detail::check_gather_labels(name, labels, indices, out);
  const auto* source = labels.data<std::int64_t>();
  const auto* index = indices.data<std::int64_t>();
  auto* target = out.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < out.numel(); ++i) target[i] = source[index[i]];
}

}  // namespace gnn::kernels
