#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

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

/// The terms of a result that are runs of neighbours in memory. A thread adds a vector of 16 bytes at a time;
/// a run's first one is where the sector of 32 bytes begins in which the run does, so that no two warps read
/// a sector. (In views that begin amid a sector they do: the order of the additions is that of the shape
/// alone.)
template <class From>
struct Runs {
  static constexpr int width = vector_width<From>;
  static constexpr int sector = 2 * width;

  explicit Runs(const SumLayout& layout)
      : elements(layout.kept.count() * layout.summed.count()),
        length(layout.summed.inner_size()),
        starts(layout.summed, std::max(layout.summed.dims - 1, 0)) {
    std::int64_t step = sector;  // runs begin at multiples of it
    std::int64_t runs = 1;
    for (const auto& [part, dims] :
         {std::pair(&layout.kept, layout.kept.dims), {&layout.summed, starts.dims}}) {
      for (int d = 0; d < dims; ++d) {
        step = std::gcd(step, part->strides[static_cast<std::size_t>(d)]);
        if (part == &layout.summed) runs *= part->sizes[static_cast<std::size_t>(d)];
      }
    }
    const std::int64_t sectors = std::max<std::int64_t>((length + 2 * sector - step - 1) / sector, 1);
    by_vectors = FastDivide(2 * sectors);
    count = runs * 2 * sectors;
  }

  /// Adds every `step`-th of the vectors [begin, end) of the result whose terms are from x[kept] on.
  __device__ __forceinline__ void add(const From* x, std::int64_t kept, std::int64_t begin, std::int64_t end,
                                      int step, double (&sums)[4]) const {
    for (std::int64_t i = begin; i < end; i += step) {
      std::int64_t run = i;
      const std::int64_t vector = by_vectors.split(run);
      const std::int64_t start = kept + starts.offset(run);
      const std::int64_t first = vector * width - start % sector;  // of the run's terms
      if (first + width <= 0 || first >= length) continue;
      const std::int64_t at = start + first;
      Vector<From, width> all{};
      if (at >= 0 && at + width <= elements) {  // with other results' terms beside them
        all = load_vector<width>(x + at, width);
      } else {
#pragma unroll
        for (int k = 0; k < width; ++k) {
          if (first + k >= 0 && first + k < length) all[k] = x[at + k];
        }
      }
#pragma unroll
      for (int k = 0; k < width; ++k) {
        if (first + k >= 0 && first + k < length) sums[k] += static_cast<double>(all[k]);
      }
    }
  }

  std::int64_t elements;  // of x
  std::int64_t length;    // of a run
  DeviceStrided starts;   // of runs
  FastDivide by_vectors;  // of a run, some before its terms or behind them
  std::int64_t count;     // vectors of all runs
};

/// Terms that are anywhere.
template <class From>
struct Places {
  static constexpr int width = 1;

  explicit Places(const SumLayout& layout) : places(layout.summed), count(layout.summed.count()) {}

  __device__ __forceinline__ void add(const From* x, std::int64_t kept, std::int64_t begin, std::int64_t end,
                                      int step, double (&sums)[4]) const {
    const From* const source = x + kept;
    std::int64_t t = begin;
    for (; t + 3 * step < end; t += 4 * step) {
#pragma unroll
      for (int k = 0; k < 4; ++k) sums[k] += static_cast<double>(source[places.offset(t + k * step)]);
    }
    for (; t < end; t += step) sums[0] += static_cast<double>(source[places.offset(t)]);
  }

  DeviceStrided places;
  std::int64_t count;
};

template <bool InnerSummed, class From>
using Terms = std::conditional_t<InnerSummed, Runs<From>, Places<From>>;

/// y[chunk * results + o] = scale * the sum of chunk `blockIdx.y` of the terms of result o. `Lanes` threads
/// share a result. Where the terms are neighbours in memory (InnerSummed), a result's lanes are neighbouring
/// threads; else neighbouring threads have neighbouring results.
template <int Lanes, bool InnerSummed, class From, class To>
__global__ void __launch_bounds__(block_threads)
    sum_to_kernel(const From* x, DeviceStrided kept, Terms<InnerSummed, From> terms, std::int64_t results,
                  std::int64_t chunk, double scale, To* y) {
  constexpr int per_block = block_threads / Lanes;
  constexpr int lane_step = InnerSummed ? 1 : per_block;  // in threads
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = InnerSummed ? thread % Lanes : thread / per_block;
  const int slot = InnerSummed ? thread / Lanes : thread % per_block;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * chunk;
  const std::int64_t end = begin + chunk < terms.count ? begin + chunk : terms.count;
  GNN_SHARED(double, sums, [block_threads]);

  for (std::int64_t block = blockIdx.x; block * per_block < results; block += gridDim.x) {
    const std::int64_t result = block * per_block + slot;
    double partial[4] = {};  // four chains of additions instead of one
    if (result < results) terms.add(x, kept.offset(result), begin + lane, end, Lanes, partial);
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
  constexpr std::int64_t least_chunk = Lanes * terms_per_lane / Terms<InnerSummed, From>::width;
  const std::int64_t results = layout.kept.count();
  const Terms<InnerSummed, From> terms(layout);
  const std::int64_t blocks = std::min((results + per_block - 1) / per_block, enough_blocks);
  if (blocks == 0) return;
  const std::int64_t chunks = std::clamp<std::int64_t>((terms.count + least_chunk - 1) / least_chunk, 1,
                                                       std::max<std::int64_t>(enough_blocks / blocks, 1));
  // An even number: of the halves of sectors that vectors are.
  const std::int64_t chunk = (terms.count + 2 * chunks - 1) / (2 * chunks) * 2;
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
