#include "emulation/cudnn_calls.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "emulation/cudnn_control.h"
#include "emulation/memory.h"
#include "emulation/options.h"
#include "emulation/sanitizer.h"
#include "emulation/streams.h"

// Which algorithms there are, which of them are deterministic and what workspace they want is made up, in the
// manner of cuDNN's own: the first suggestions are not deterministic or no plain products.

namespace gnn::emulation {
namespace {

struct Injection {
  std::uint64_t after = 0;
  std::uint64_t times = 0;
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
};

std::map<std::string, Injection>& injections() {
  static auto& all = *new std::map<std::string, Injection>;
  return all;
}
std::vector<CudnnRun>& runs() {
  static auto& all = *new std::vector<CudnnRun>;
  return all;
}

/// What the descriptors say, in `geometry`; false when they do not fit together.
bool read(const char* function, const cudnnTensorStruct& x, const cudnnFilterStruct& w,
          const cudnnConvolutionStruct& c, const cudnnTensorStruct& y, CudnnGeometry& geometry) {
  geometry = {x.sizes[0], x.sizes[1],  x.sizes[2],  x.sizes[3],    w.sizes[0],   w.sizes[1],
              w.sizes[2], w.sizes[3],  y.sizes[2],  y.sizes[3],    c.groups,     c.pad[0],
              c.pad[1],   c.stride[0], c.stride[1], c.dilation[0], c.dilation[1]};
  const CudnnGeometry& g = geometry;
  const auto positions = [](std::int64_t size, std::int64_t kernel, std::int64_t pad, std::int64_t stride,
                            std::int64_t dilation) {
    return stride == 0 ? 0 : (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  };
  const bool fit = x.type == w.type && x.type == y.type && x.type == c.type && g.c == g.group_c * g.groups &&
                   g.k % g.groups == 0 && y.sizes[0] == g.n && y.sizes[1] == g.k &&
                   g.p == positions(g.h, g.r, g.pad_h, g.stride_h, g.dilation_h) &&
                   g.q == positions(g.w, g.s, g.pad_w, g.stride_w, g.dilation_w);
  if (!fit) report(std::string("cuDNN: ") + function + " got descriptors that do not fit together");
  return fit;
}

std::vector<CudnnOffer> offers(CudnnDirection direction, const CudnnGeometry& g, cudnnDataType_t type,
                               cudnnMathType_t math) {
  const bool wide = type == CUDNN_DATA_DOUBLE;
  const bool tensor_cores = !wide && math != CUDNN_FMA_MATH;
  const cudnnMathType_t plain = math == CUDNN_FMA_MATH ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
  const bool winograd =
      !wide && g.r == 3 && g.s == 3 && g.stride_h * g.stride_w * g.dilation_h * g.dilation_w * g.groups == 1;
  const auto bytes = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  const std::size_t columns = bytes(g.n * g.c * g.r * g.s * g.p * g.q * (wide ? 8 : 4));
  const std::size_t transformed = bytes(4 * (g.x_count() + g.w_count() + g.y_count()) * 4);
  const std::size_t offsets = bytes(4 * g.group_c * g.r * g.s);
  const cudnnStatus_t no = CUDNN_STATUS_NOT_SUPPORTED;
  std::vector<CudnnOffer> list;
  switch (direction) {
    case CudnnDirection::forward:
      if (winograd) list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED, plain, transformed});
      if (tensor_cores) {
        list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_TENSOR_OP_MATH, offsets});
        list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, plain, 0});
      }
      list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, plain, offsets});
      if (!tensor_cores) list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, plain, 0});
      list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_GEMM, plain, columns});
      list.push_back({CUDNN_CONVOLUTION_FWD_ALGO_DIRECT, plain, 0, true, no});
      break;
    case CudnnDirection::backward_data:
      list.push_back({CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, plain, 0, false});
      if (winograd) list.push_back({CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED, plain, transformed});
      list.push_back({CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, plain, offsets});
      list.push_back({CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, plain, 0, true, no});
      break;
    case CudnnDirection::backward_filter:
      list.push_back({CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, plain, 0, false});
      list.push_back({CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, plain, 0, false});
      if (winograd) list.push_back({CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED, plain, transformed});
      list.push_back({CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, plain, offsets});
      list.push_back({CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT, plain, 0, true, no});
      break;
  }
  return list;
}

/// The offer that an algorithm with that math type is; nullptr: there is none.
const CudnnOffer* find(const std::vector<CudnnOffer>& list, int id, cudnnMathType_t math) {
  const auto found = std::ranges::find_if(
      list, [&](const CudnnOffer& offer) { return offer.id == id && offer.math == math; });
  return found == list.end() ? nullptr : &*found;
}

/// A convolution on its stream. `result` is one of x, w and y.
struct Convolution {
  CudnnDirection direction;
  CudnnGeometry geometry;
  cudnnDataType_t type;
  void* x;
  void* w;
  void* y;
  void* workspace;
  std::size_t workspace_bytes;
  double alpha;
  double beta;
  std::string time_name;

  void* result() const {
    return direction == CudnnDirection::forward ? y : direction == CudnnDirection::backward_data ? x : w;
  }

  cudaError_t run() const {
    const std::size_t width = type == CUDNN_DATA_DOUBLE ? 8 : 4;
    const auto bytes = [&](std::int64_t count) { return static_cast<std::size_t>(count) * width; };
    const std::array<std::pair<void*, std::size_t>, 3> operands{
        {{x, bytes(geometry.x_count())}, {w, bytes(geometry.w_count())}, {y, bytes(geometry.y_count())}}};
    std::string problem = range_problem(workspace, workspace_bytes, true);
    for (const auto& [data, size] : operands) {
      if (problem.empty()) problem = range_problem(data, size, true);
    }
    if (!problem.empty()) {
      report("cuDNN: " + problem);
      return cudaErrorIllegalAddress;
    }
    for (const auto& [data, size] : operands) {
      if (data == result()) {
        note_write(data, size);
      } else {
        note_read(data, size);
      }
    }
    note_write(workspace, workspace_bytes);
    std::memset(workspace, 0xff, workspace_bytes);  // cuDNN leaves anything there
    take_time(time_name);
    convolve(direction, geometry, type, x, w, y, result(), alpha, beta);
    return cudaSuccess;
  }
};

}  // namespace

bool fails(const char* function, cudnnStatus_t& status) {
  const auto found = injections().find(function);
  if (found == injections().end() || found->second.times == 0) return false;
  if (found->second.after > 0 && --found->second.after > 0) return false;
  --found->second.times;
  status = found->second.status;
  return true;
}

std::set<const void*>& live_objects() {
  static auto& all = *new std::set<const void*>;
  return all;
}

cudnnStatus_t begin(const CudnnCall& call, CudnnGeometry& geometry, std::vector<CudnnOffer>& list) {
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  if (fails(call.function, status)) return status;
  if (!exist(call.function, call.handle) || !exist(call.function, call.x, call.w, call.convolution, call.y))
    return CUDNN_STATUS_BAD_PARAM;
  if (!read(call.function, *call.x, *call.w, *call.convolution, *call.y, geometry))
    return CUDNN_STATUS_BAD_PARAM;
  list = offers(call.direction, geometry, call.x->type, call.convolution->math);
  return status;
}

cudnnStatus_t workspace_size(const CudnnCall& call, int algorithm, std::size_t* bytes) {
  const std::lock_guard lock(runtime_mutex());
  CudnnGeometry geometry{};
  std::vector<CudnnOffer> list;
  if (const cudnnStatus_t status = begin(call, geometry, list); status != CUDNN_STATUS_SUCCESS) return status;
  const CudnnOffer* const offer = find(list, algorithm, call.convolution->math);
  if (offer == nullptr) return CUDNN_STATUS_NOT_SUPPORTED;
  *bytes = offer->workspace;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t convolution(const CudnnCall& call, int algorithm, const void* alpha, const void* x,
                          const void* w, const void* y, void* workspace, std::size_t workspace_bytes,
                          const void* beta) {
  const std::lock_guard lock(runtime_mutex());
  CudnnGeometry geometry{};
  std::vector<CudnnOffer> list;
  if (const cudnnStatus_t status = begin(call, geometry, list); status != CUDNN_STATUS_SUCCESS) return status;
  const CudnnOffer* const offer = find(list, algorithm, call.convolution->math);
  if (offer == nullptr || offer->status != CUDNN_STATUS_SUCCESS) return CUDNN_STATUS_NOT_SUPPORTED;
  if (workspace_bytes < offer->workspace) {
    report(std::string("cuDNN: ") + call.function + " wants a workspace of " +
           std::to_string(offer->workspace) + " bytes, and got " + std::to_string(workspace_bytes));
    return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
  }
  Stream* const stream = find_launch_stream(call.handle->stream);
  if (stream == nullptr || stream->device != call.handle->device) {
    report("a cuDNN handle of device " + std::to_string(call.handle->device) +
           " is used while another device is current");
    return CUDNN_STATUS_EXECUTION_FAILED;
  }
  const bool wide = call.x->type == CUDNN_DATA_DOUBLE;
  const auto scalar = [wide](const void* data) {
    return wide ? *static_cast<const double*>(data) : static_cast<double>(*static_cast<const float*>(data));
  };
  const std::string time_name = std::string(call.function) + " " + std::to_string(algorithm);
  const Convolution work{call.direction,
                         geometry,
                         call.x->type,
                         const_cast<void*>(x),
                         const_cast<void*>(w),
                         const_cast<void*>(y),
                         workspace,
                         workspace_bytes,
                         scalar(alpha),
                         scalar(beta),
                         time_name};
  count_library_launch("cuDNN");
  runs().push_back({call.function, algorithm, call.convolution->math, workspace_bytes});
  const cudaError_t status = issue(*stream, {[work] { return work.run(); }, cudaGraphNodeTypeKernel,
                                             reinterpret_cast<const void*>(&convolution)});
  return finish(status) == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

void fail_cudnn(const std::string& function, std::uint64_t n, cudnnStatus_t status, std::uint64_t times) {
  const std::lock_guard lock(runtime_mutex());
  injections()[function] = {n, n == 0 ? 0 : times, status};
}

std::vector<CudnnRun> take_cudnn_runs() {
  const std::lock_guard lock(runtime_mutex());
  return std::exchange(runs(), {});
}

std::size_t live_cudnn_objects() {
  const std::lock_guard lock(runtime_mutex());
  return live_objects().size();
}

}  // namespace gnn::emulation
