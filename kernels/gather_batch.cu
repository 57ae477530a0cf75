#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gnn/kernels/gather_batch.h"
#include "gnn/kernels/launch.cuh"

namespace gnn::kernels {
namespace {

struct alignas(4) Pixels4 {
  std::uint8_t value[4];
};

template <class T>
struct alignas(16) Values4 {
  T value[4];
};

/// One block per sample at a time, four pixels per thread where the addresses allow it (`quads`), the label
/// by the first thread. `labels` may be nullptr.
template <class T>
__global__ void gather_batch(const std::uint8_t* __restrict__ images, const std::int64_t* __restrict__ labels,
                             const std::int64_t* __restrict__ indices, std::int64_t batch, std::int64_t size,
                             bool quads, T scale, T shift, T* __restrict__ out,
                             std::int64_t* __restrict__ out_labels) {
  for (std::int64_t b = blockIdx.x; b < batch; b += gridDim.x) {
    const std::int64_t index = indices[b];
    if (labels != nullptr && threadIdx.x == 0) out_labels[b] = labels[index];
    const std::uint8_t* pixels = images + index * size;
    T* row = out + b * size;
    if (quads) {
      for (std::int64_t i = threadIdx.x; i < size / 4; i += blockDim.x) {
        const Pixels4 in = reinterpret_cast<const Pixels4*>(pixels)[i];
        reinterpret_cast<Values4<T>*>(row)[i] = {{std::fma(static_cast<T>(in.value[0]), scale, shift),
                                                  std::fma(static_cast<T>(in.value[1]), scale, shift),
                                                  std::fma(static_cast<T>(in.value[2]), scale, shift),
                                                  std::fma(static_cast<T>(in.value[3]), scale, shift)}};
      }
    } else {
      for (std::int64_t i = threadIdx.x; i < size; i += blockDim.x)
        row[i] = std::fma(static_cast<T>(pixels[i]), scale, shift);
    }
  }
}

}  // namespace

void GatherBatch::cuda(const Tensor& images, const Tensor& labels, const Tensor& indices, double scale,
                       double shift, Tensor& out, Tensor& out_labels) {
  const std::int64_t size = detail::check_gather_batch(images, labels, indices, out, out_labels);
  dispatch_floating(name, out.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    const auto* pixels = images.data<std::uint8_t>();
    T* values = out.mutable_data<T>();
    const bool labelled = labels.defined();
    const bool quads = size % 4 == 0 && reinterpret_cast<std::uintptr_t>(pixels) % sizeof(Pixels4) == 0 &&
                       reinterpret_cast<std::uintptr_t>(values) % sizeof(Values4<T>) == 0;
    // No more threads than a sample has work for, in whole warps, but one for the label at least.
    const std::int64_t work = std::max<std::int64_t>(quads ? size / 4 : size, labelled ? 1 : 0);
    const auto block =
        static_cast<unsigned>(std::min<std::int64_t>((work + 31) / 32 * 32, elementwise_block));
    const auto grid = static_cast<unsigned>(std::min<std::int64_t>(indices.numel(), 65535));
    launch(gather_batch<T>, grid, block, 0, out.device(), pixels,
           labelled ? labels.data<std::int64_t>() : nullptr, indices.data<std::int64_t>(), indices.numel(),
           size, quads, static_cast<T>(scale), static_cast<T>(shift), values,
           labelled ? out_labels.mutable_data<std::int64_t>() : nullptr);
  });
}

}  // namespace gnn::kernels
