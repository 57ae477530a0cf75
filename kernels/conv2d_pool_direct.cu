#include "gnn/kernels/conv2d_pool_direct.h"

#include <type_traits>

#include "gnn/kernels/conv2d_quads.cuh"
#include "gnn/kernels/max_pool2d_math.h"

// Both are correlations for 2 x 2 pixels at a time: those that are pooled, of the images with the weights;
// and any, of the convolution's gradient, which is staged from dy and choice, with the weights turned round.

namespace gnn::kernels {
namespace {

/// The images that tiles are cut from, and those of the other end.
struct QuadImages {
  int h, w, padding_h, padding_w;  // of x
  int pooled_h, pooled_w;          // of y
  int stride_h, stride_w;          // of the convolution
};

/// Rows [0, rows) of `length` elements, `source_pitch` apart, to shared memory, `target_pitch` apart (a
/// multiple of the vector width): by vectors where all of them are aligned.
template <class T>
__device__ __forceinline__ void stage_rows(const T* source, std::int64_t source_pitch, int rows, int length,
                                           T* target, int target_pitch) {
  constexpr int width = vector_width<T>;
  if (source_pitch % width == 0 && is_aligned<T, width>(source)) {
    for_each_pixel(rows, (length + width - 1) / width, [&](int row, int vector) {
      const int at = vector * width;
      const auto values = load_vector<width>(source + row * source_pitch + at, length - at);
      *reinterpret_cast<Vector<T, width>*>(target + row * target_pitch + at) = values;
    });
  } else {
    for_each_pixel(rows, length, [&](int row, int at) {
      target[row * target_pitch + at] = source[row * source_pitch + at];
    });
  }
}

/// `channels` of x, from the tile's first pixel on: zero outside the image. Pixel by pixel, as neighbours go
/// to different phases; a warp still loads whole sectors.
template <class T>
__device__ __forceinline__ void stage_images(const QuadPlan& p, const QuadImages& images, const T* x, int top,
                                             int left, int channels, T* pixels) {
  for_each_pixel(channels * p.input_h, p.input_w, [&](int row, int column) {
    const int channel = row / p.input_h;
    const int y = row % p.input_h;
    const bool inside = top + y >= 0 && top + y < images.h && left + column >= 0 && left + column < images.w;
    const T* const from = x + (static_cast<std::int64_t>(channel) * images.h + top + y) * images.w + left;
    pixels[channel * p.channel_pitch + quad_pixel(p, y, column)] = inside ? from[column] : T{0};
  });
}

/// y and choice of all quads of a tile for some channels.
template <int K, class T>
__global__ void __launch_bounds__(quad_threads, quad_blocks<K, T>)
    direct_forward_kernel(QuadPlan p, QuadImages images, bool relu, const T* __restrict__ x,
                          const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ y,
                          std::uint8_t* __restrict__ choice) {
  const QuadMemory<T> memory(p);
  const QuadThread thread(p);
  const QuadBlock block(p);
  const int area = p.kernel_h * p.kernel_w;
  const int patch = p.in_channels * area;
  const int outputs = smaller(p.slots * K, p.out_channels - block.channel);
  const std::int64_t out = static_cast<std::int64_t>(block.group) * p.out_channels + block.channel;
  const std::int64_t in = (block.image * p.groups + block.group) * p.in_channels;
  const std::int64_t plane = static_cast<std::int64_t>(images.h) * images.w;

  set_offsets(p, false, memory.offsets);
  for (int o = static_cast<int>(threadIdx.x); o < outputs; o += static_cast<int>(blockDim.x)) {
    memory.bias[o] = bias == nullptr ? T{0} : bias[out + o];
  }
  T sums[K][4] = {};
  for (int first = 0; first < p.in_channels; first += p.chunk) {
    const int channels = smaller(p.chunk, p.in_channels - first);
    stage_rows(weight + out * patch + first * area, patch, outputs, channels * area, memory.weights,
               p.weight_pitch);
    stage_images(p, images, x + (in + first) * plane, 2 * block.row * p.stride_h - images.padding_h,
                 2 * block.column * p.stride_w - images.padding_w, channels, memory.pixels);
    __syncthreads();
    if (thread.works(p)) add_taps(p, memory, thread, channels * area, sums);
    __syncthreads();
  }
  __syncthreads();  // for the bias, where there are no taps
  combine_splits(p, memory, thread, sums);

  const int row = block.row + thread.row;
  const int column = block.column + thread.column;
  if (thread.split > 0 || !thread.works(p) || row >= p.quads_h || column >= p.quads_w) return;
  const std::int64_t outputs_before = block.image * p.groups * p.out_channels + out;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const int o = thread.slot + k * p.slots;
    if (o >= outputs) continue;
    const T add = memory.bias[o];
    T best = sums[k][0] + add;
    std::int32_t at = 0;
#pragma unroll
    for (int i = 1; i < 4; ++i) offer_pixel(sums[k][i] + add, i, best, at);
    const bool cut = relu && best <= T{0};
    const std::int64_t place = ((outputs_before + o) * p.quads_h + row) * p.quads_w + column;
    y[place] = cut ? T{0} : best;
    if (choice != nullptr) choice[place] = cut ? pool_no_choice : static_cast<std::uint8_t>(at);
  }
}

/// The gradient of the convolution's result in `channels`, from the tile's first pixel on, its rows and
/// columns the stride apart; `pixels` is zero.
template <class T>
__device__ __forceinline__ void stage_gradient(const QuadPlan& p, const QuadImages& images, const T* dy,
                                               const std::uint8_t* choice, int top, int left, int channels,
                                               T* pixels) {
  // The windows that have a pixel in the tile: from first to last.
  const int first_row = larger(top, 0) / images.stride_h / 2;
  const int first_column = larger(left, 0) / images.stride_w / 2;
  const int last_row = smaller((top + p.input_h - 1) / images.stride_h / 2, images.pooled_h - 1);
  const int last_column = smaller((left + p.input_w - 1) / images.stride_w / 2, images.pooled_w - 1);
  const int rows = larger(last_row - first_row + 1, 0);
  for_each_pixel(channels * rows, larger(last_column - first_column + 1, 0), [&](int row, int column) {
    const int channel = row / rows;
    const int i = first_row + row % rows;
    const int j = first_column + column;
    const std::int64_t window =
        (static_cast<std::int64_t>(channel) * images.pooled_h + i) * images.pooled_w + j;
    const T gradient = dy[window];
    const int chosen = choice[window];
    const int y = (2 * i + chosen / 2) * images.stride_h - top;
    const int x = (2 * j + chosen % 2) * images.stride_w - left;
    if (chosen != pool_no_choice && y >= 0 && y < p.input_h && x >= 0 && x < p.input_w) {
      pixels[channel * p.channel_pitch + quad_pixel(p, y, x)] = gradient;
    }
  });
}

/// dx of all quads of a tile for some channels. `in` and `out` are those of the correlation: dy's and x's.
template <int K, class T>
__global__ void __launch_bounds__(quad_threads, quad_blocks<K, T>)
    direct_input_gradient_kernel(QuadPlan p, QuadImages images, const T* __restrict__ weight,
                                 const T* __restrict__ dy, const std::uint8_t* __restrict__ choice,
                                 T* __restrict__ dx) {
  const QuadMemory<T> memory(p);
  const QuadThread thread(p);
  const QuadBlock block(p);
  const int area = p.kernel_h * p.kernel_w;
  const int outputs = smaller(p.slots * K, p.out_channels - block.channel);
  const int top = 2 * block.row + images.padding_h - (p.kernel_h - 1) * p.dilation_h;
  const int left = 2 * block.column + images.padding_w - (p.kernel_w - 1) * p.dilation_w;
  const std::int64_t windows = static_cast<std::int64_t>(images.pooled_h) * images.pooled_w;

  set_offsets(p, true, memory.offsets);
  T sums[K][4] = {};
  for (int first = 0; first < p.in_channels; first += p.chunk) {
    const int channels = smaller(p.chunk, p.in_channels - first);
    for (int i = static_cast<int>(threadIdx.x); i < channels * p.channel_pitch;
         i += static_cast<int>(blockDim.x)) {
      memory.pixels[i] = T{0};
    }
    // Of each channel of dy the weights of all the block's channels of x, which are neighbours.
    const std::int64_t in = static_cast<std::int64_t>(block.group) * p.in_channels + first;
    const T* const weights = weight + (in * p.out_channels + block.channel) * area;
    for_each_pixel(channels, outputs * area, [&](int channel, int at) {
      std::int64_t output = at;
      const auto place = static_cast<int>(p.kernel_area.split(output));
      memory.weights[static_cast<int>(output) * p.weight_pitch + channel * area + place] =
          weights[static_cast<std::int64_t>(channel) * p.out_channels * area + at];
    });
    __syncthreads();
    const std::int64_t from = (block.image * p.groups * p.in_channels + in) * windows;
    stage_gradient(p, images, dy + from, choice + from, top, left, channels, memory.pixels);
    __syncthreads();
    if (thread.works(p)) add_taps(p, memory, thread, channels * area, sums);
    __syncthreads();
  }
  combine_splits(p, memory, thread, sums);

  const int row = 2 * (block.row + thread.row);
  const int column = 2 * (block.column + thread.column);
  if (thread.split > 0 || !thread.works(p) || row >= images.h || column >= images.w) return;
  const std::int64_t channel =
      (block.image * p.groups + block.group) * p.out_channels + block.channel + thread.slot;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    if (thread.slot + k * p.slots >= outputs) continue;
    T* const to = dx + ((channel + k * p.slots) * images.h + row) * images.w + column;
    store_vector(to, Vector<T, 2>{{sums[k][0], sums[k][1]}}, images.w - column);
    if (row + 1 < images.h) {
      store_vector(to + images.w, Vector<T, 2>{{sums[k][2], sums[k][3]}}, images.w - column);
    }
  }
}

QuadImages quad_images(const Conv2dPoolSizes& z) {
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  return {narrow(z.conv.h),   narrow(z.conv.w),   narrow(z.conv.padding.h), narrow(z.conv.padding.w),
          narrow(z.pooled.h), narrow(z.pooled.w), narrow(z.conv.stride.h),  narrow(z.conv.stride.w)};
}

/// Calls f with the compiled number of channels per thread that is `k`.
template <class F>
void with_channels(int k, const F& f) {
  static_assert(quad_channels == std::array<int, 3>{4, 8, 10});
  if (k == 4) return f(std::integral_constant<int, 4>{});
  if (k == 8) return f(std::integral_constant<int, 8>{});
  f(std::integral_constant<int, 10>{});
}

template <class Kernel, class... Args>
void launch_quads(Kernel kernel, const QuadPlan& p, Device device, const Args&... args) {
  const dim3 grid(static_cast<unsigned>(p.tiles), static_cast<unsigned>(p.channel_blocks));
  launch(kernel, grid, dim3(static_cast<unsigned>(p.lanes * p.splits)),
         static_cast<std::size_t>(p.shared_bytes), device, p, args...);
}

}  // namespace

bool direct_forward(const Conv2dPoolSizes& z, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    bool relu, Tensor& y, Tensor& choice) {
  const Conv2dSizes& c = z.conv;
  if (!suits_direct_kernels(c)) return false;
  QuadPlan plan;
  const QuadCorrelation correlation{c.n, c.groups, c.cg, c.og, c.kernel, c.stride, c.dilation, z.pooled};
  if (!plan_quads(correlation, static_cast<std::int64_t>(size_of(x.dtype())), plan)) return false;
  dispatch_floating(Conv2dPoolForward::name, x.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    with_channels(plan.k, [&](auto k) {
      launch_quads(direct_forward_kernel<decltype(k)::value, T>, plan, x.device(), quad_images(z), relu,
                   x.data<T>(), weight.data<T>(), bias.defined() ? bias.data<T>() : nullptr,
                   y.mutable_data<T>(), choice.defined() ? choice.mutable_data<std::uint8_t>() : nullptr);
    });
  });
  return true;
}

bool direct_input_gradient(const Conv2dPoolSizes& z, const Tensor& weight, const Tensor& dy,
                           const Tensor& choice, Tensor& dx) {
  const Conv2dSizes& c = z.conv;
  if (!suits_direct_kernels(c, c.stride.area())) return false;
  QuadPlan plan;
  const Size2 quads{(c.h + 1) / 2, (c.w + 1) / 2};
  const QuadCorrelation correlation{c.n, c.groups, c.og, c.cg, c.kernel, 1, c.dilation, quads};
  if (!plan_quads(correlation, static_cast<std::int64_t>(size_of(dy.dtype())), plan)) return false;
  dispatch_floating(Conv2dPoolBackward::name, dy.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    with_channels(plan.k, [&](auto k) {
      launch_quads(direct_input_gradient_kernel<decltype(k)::value, T>, plan, dy.device(), quad_images(z),
                   weight.data<T>(), dy.data<T>(), choice.data<std::uint8_t>(), dx.mutable_data<T>());
    });
  });
  return true;
}

}  // namespace gnn::kernels
