#include <algorithm>
#include <type_traits>

#include "gnn/kernels/broadcast.cuh"
#include "gnn/kernels/sum_to.h"

namespace gnn::kernels {

namespace {

constexpr int block_threads = 256;
constexpr std::int64_t terms_per_lane = 64;   // what a thread adds before it is worth having more of them
constexpr std::int64_t enough_blocks = 2048;  // more than any GPU runs at once

/// Strided on the device. The dimensions of a SumLayout alternate between kept and summed ones, so that there
/// are at most four of each.
struct DeviceStrided {
  static constexpr int max_dims = static_cast<int>(Shape::max_dims) / 2;

  explicit DeviceStrided(const Strided& from) : DeviceStrided(from, from.dims) {}
  /// The outermost `count` dimensions.
  DeviceStrided(const Strided& from, int count) : dims(count) {
    for (int d = 0; d < dims; ++d) {
      size[d] = FastDivide(std::max<std::int64_t>(from.sizes[static_cast<std::size_t>(d)], 1));
      stride[d] = from.strides[static_cast<std::size_t>(d)];
    }
  }

  __device__ __forceinline__ std::int64_t offset(std::int64_t index) const {
    std::int64_t result = 0;
#pragma unroll
    for (int d = max_dims - 1; d > 0; --d) {
      if (d < dims) result += size[d].split(index) * stride[d];
    }
    return result + index * stride[0];  // 0 without dimensions, as index is 0 then
  }

  int dims;
  FastDivide size[max_dims];
  std::int64_t stride[max_dims] = {};
};

/// The terms of a result: runs of neighbours, if they are in x at all. Where these are `length` elements and
/// begin amid a sector of 32 bytes, they are counted from its beginning on, so that eight lanes read a whole
/// sector, and with places for a rest of one at the end: `places` in all. What is no term is left out.
template <class From>
struct DeviceTerms {
  static constexpr int sector = 32 / static_cast<int>(sizeof(From));
  static constexpr std::int64_t worth_shifting = 4 * sector;  // a longer run has few places without a term

  explicit DeviceTerms(const SumLayout& layout)
      : length(layout.summed.inner_size()),
        stride(layout.summed.inner_stride()),
        outer(layout.summed, std::max(layout.summed.dims - 1, 0)) {
    const auto whole_sectors = [](const Strided& part, int dims) {
      return std::all_of(part.strides.begin(), part.strides.begin() + dims,
                         [](std::int64_t step) { return step % sector == 0; });
    };
    const bool aligned = length % sector == 0 && whole_sectors(layout.kept, layout.kept.dims) &&
                         whole_sectors(layout.summed, outer.dims);
    std::int64_t run = length;
    shifted = layout.inner_summed && !aligned && length >= worth_shifting;
    if (shifted) run = (length + 2 * sector - 2) / sector * sector;
    by_run = FastDivide(std::max<std::int64_t>(run, 1));
    places = run;
    for (int d = 0; d < outer.dims; ++d) places *= layout.summed.sizes[static_cast<std::size_t>(d)];
  }

  /// The term at `place` of the result whose terms begin at x[first], or 0.
  __device__ __forceinline__ double at(const From* x, std::int64_t first, std::int64_t place) const {
    std::int64_t element = by_run.split(place);
    const std::int64_t begin = first + outer.offset(place);
    if (shifted) {
      element -= begin % sector;
      if (element < 0 || element >= length) return 0;
    }
    return static_cast<double>(x[begin + element * stride]);
  }

  std::int64_t places;
  std::int64_t length, stride;
  bool shifted;
  FastDivide by_run;
  DeviceStrided outer;
};

/// y[chunk * results + o] = scale * the sum of chunk `blockIdx.y` of the terms of result o. `Lanes` threads
/// share a result. Where the terms are neighbours in memory (InnerSummed), a result's lanes are neighbouring
/// threads; else neighbouring threads have neighbouring results.
template <int Lanes, bool InnerSummed, class From, class To>
__global__ void __launch_bounds__(block_threads)
    sum_to_kernel(const From* x, DeviceStrided kept, DeviceTerms<From> terms, std::int64_t results,
                  std::int64_t chunk, double scale, To* y) {
  constexpr int per_block = block_threads / Lanes;
  constexpr int lane_step = InnerSummed ? 1 : per_block;  // in threads
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = InnerSummed ? thread % Lanes : thread / per_block;
  const int slot = InnerSummed ? thread / Lanes : thread % per_block;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * chunk;
  const std::int64_t end = begin + chunk < terms.places ? begin + chunk : terms.places;
  GNN_SHARED(double, sums, [block_threads]);

  for (std::int64_t block = blockIdx.x; block * per_block < results; block += gridDim.x) {
    const std::int64_t result = block * per_block + slot;
    double partial[4] = {};  // four chains of additions instead of one
    if (result < results) {
      const std::int64_t first = kept.offset(result);
      std::int64_t t = begin + lane;
      for (; t + 3 * Lanes < end; t += 4 * Lanes) {
#pragma unroll
        for (int k = 0; k < 4; ++k) partial[k] += terms.at(x, first, t + k * Lanes);
      }
      for (; t < end; t += Lanes) partial[0] += terms.at(x, first, t);
    }
    sums[thread] = (partial[0] + partial[1]) + (partial[2] + partial[3]);
    __syncthreads();
#pragma unroll
    for (int half = Lanes / 2; half > 0; half /= 2) {
      if (lane < half) sums[thread] += sums[thread + half * lane_step];
      __syncthreads();
    }
    // Written by this very thread in the last step, and again in the next round: no barrier in between.
    if (lane == 0 && result < results)
      y[blockIdx.y * results + result] = static_cast<To>(scale * sums[thread]);
  }
}

template <class From, class To>
void sum_to(const From* x, const SumLayout& layout, double scale, Device device, To* y);

/// One round: every result's terms in chunks enough to fill the GPU, then the same for the chunks' sums.
template <int Lanes, bool InnerSummed, class From, class To>
void launch_sum(const From* x, const SumLayout& layout, double scale, Device device, To* y) {
  constexpr std::int64_t per_block = block_threads / Lanes;
  constexpr std::int64_t least_chunk = Lanes * terms_per_lane;
  const std::int64_t results = layout.kept.count();
  const DeviceTerms<From> terms(layout);
  const std::int64_t blocks = std::min((results + per_block - 1) / per_block, enough_blocks);
  if (blocks == 0) return;
  const std::int64_t wanted = std::clamp<std::int64_t>((terms.places + least_chunk - 1) / least_chunk, 1,
                                                       std::max<std::int64_t>(enough_blocks / blocks, 1));
  const std::int64_t chunk = std::max<std::int64_t>((terms.places + wanted - 1) / wanted + 31, 32) / 32 * 32;
  const std::int64_t chunks = std::max<std::int64_t>((terms.places + chunk - 1) / chunk, 1);
  const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(chunks));
  const auto sum = [&](double factor, auto* target) {
    using Target = std::remove_pointer_t<decltype(target)>;
    launch(sum_to_kernel<Lanes, InnerSummed, From, Target>, grid, block_threads, 0, device, x,
           DeviceStrided(layout.kept), terms, results, chunk, factor, target);
  };
  if (chunks == 1) return sum(scale, y);
  Tensor partials = empty({chunks, results}, {.dtype = DType::float64, .device = device});
  sum(1, partials.mutable_data<double>());
  sum_to(partials.data<double>(), sum_layout({chunks, results}, {results}), scale, device, y);
}

template <class From, class To>
void sum_to(const From* x, const SumLayout& layout, double scale, Device device, To* y) {
  // 64 neighbouring results: rows of them that begin amid a sector cost half of one more.
  if (!layout.inner_summed) return launch_sum<4, false>(x, layout, scale, device, y);
  if (layout.summed.count() <= 32 * terms_per_lane) return launch_sum<32, true>(x, layout, scale, device, y);
  launch_sum<256, true>(x, layout, scale, device, y);
}

}  // namespace

void SumTo::cuda(const Tensor& x, double scale, Tensor& y) {
  detail::check_sum_to(x, y);
  const SumLayout layout = sum_layout(x.shape(), y.shape());
  dispatch_floating(name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    sum_to(x.data<T>(), layout, scale, x.device(), y.mutable_data<T>());
  });
}

}  // namespace gnn::kernels
