#include "gnn/kernels/conv2d_cudnn.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/core/cuda_check.h"
#include "gnn/core/stream.h"
#include "gnn/kernels/cudnn_api.h"

namespace gnn::kernels {
namespace {

/// Algorithms that want more are not used. Not "what is free": results must not depend on that.
constexpr std::size_t workspace_limit = std::size_t{256} << 20;

/// Until the end of the scope cuDNN may allocate memory for itself, also while this thread captures.
class AllocationScope {
 public:
  AllocationScope() {
    check_cuda(cudaThreadExchangeStreamCaptureMode(&mode_), "cudaThreadExchangeStreamCaptureMode");
  }
  ~AllocationScope() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  AllocationScope(const AllocationScope&) = delete;
  AllocationScope& operator=(const AllocationScope&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/// This thread's cuDNN handle for one device.
class CudnnHandle {
 public:
  explicit CudnnHandle(int index) {
    const CudaDeviceGuard guard(index);
    const AllocationScope scope;
    check_cudnn(cudnn_api().cudnnCreate(&handle_), "cudnnCreate");
  }
  ~CudnnHandle() { cudnn_api().cudnnDestroy(handle_); }
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;

  static cudnnHandle_t of(Device device) {
    thread_local std::map<int, CudnnHandle> handles;
    return handles.try_emplace(device.index, device.index).first->second.handle_;
  }

 private:
  cudnnHandle_t handle_ = nullptr;
};

/// A descriptor, destroyed with its owner.
template <class T>
class Descriptor {
 public:
  using Create = cudnnStatus_t (*)(T*);
  using Destroy = cudnnStatus_t (*)(T);
  Descriptor(Create create, Destroy destroy) : destroy_(destroy) {
    check_cudnn(create(&value_), "creating a descriptor");
  }
  ~Descriptor() { destroy_(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator T() const { return value_; }  // NOLINT: it stands for the descriptor in cuDNN's calls

 private:
  T value_ = nullptr;
  Destroy destroy_;
};

int to_int(std::int64_t size) {
  return static_cast<int>(size);  // which fits: CudnnConvolution refuses what does not
}

/// An algorithm that cuDNN suggests.
struct Suggestion {
  int id;
  cudnnStatus_t status;
  cudnnDeterminism_t determinism;
  cudnnMathType_t math;
};

/// What one of cuDNN's three functions suggests, best first.
template <class Perf, class Get>
std::vector<Suggestion> suggestions(const char* call, const Get& get) {
  std::array<Perf, 16> list{};  // more than there are algorithms
  int count = 0;
  check_cudnn(get(static_cast<int>(list.size()), &count, list.data()), call);
  std::vector<Suggestion> result;
  for (int i = 0; i < count; ++i) {
    const Perf& perf = list[static_cast<std::size_t>(i)];
    result.push_back({static_cast<int>(perf.algo), perf.status, perf.determinism, perf.mathType});
  }
  return result;
}

constexpr const char* forward_names[] = {
    "implicit_gemm", "implicit_precomp_gemm", "gemm", "direct", "fft", "fft_tiling",
    "winograd",      "winograd_nonfused"};
constexpr const char* input_names[] = {"algo_0",     "algo_1",   "fft",
                                       "fft_tiling", "winograd", "winograd_nonfused"};
constexpr const char* weight_names[] = {
    "algo_0", "algo_1", "fft", "algo_3", "winograd", "winograd_nonfused", "fft_tiling"};

std::string name_of_algorithm(Conv2dDirection direction, int id, cudnnMathType_t math) {
  const auto find = [id](const auto& names) {
    const auto i = static_cast<std::size_t>(id);
    return i < std::size(names) ? std::string(names[i]) : std::to_string(id);
  };
  const std::string name = direction == Conv2dDirection::forward          ? find(forward_names)
                           : direction == Conv2dDirection::input_gradient ? find(input_names)
                                                                          : find(weight_names);
  return "cudnn " + name + (math == CUDNN_TENSOR_OP_MATH ? " tensor_op" : "");
}

/// True for algorithms that add up products of the elements themselves: no transform comes between, which
/// would enlarge rounding errors.
bool multiplies_directly(Conv2dDirection direction, int id) {
  switch (direction) {
    case Conv2dDirection::forward:
      return id == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM ||
             id == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM ||
             id == CUDNN_CONVOLUTION_FWD_ALGO_GEMM || id == CUDNN_CONVOLUTION_FWD_ALGO_DIRECT;
    case Conv2dDirection::input_gradient:
      return id == CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 || id == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
    case Conv2dDirection::weight_gradient:
      return id == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 || id == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1 ||
             id == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3;
  }
  return false;
}

}  // namespace

struct CudnnConvolution::Descriptors {
  Descriptor<cudnnTensorDescriptor_t> x{cudnn_api().cudnnCreateTensorDescriptor,
                                        cudnn_api().cudnnDestroyTensorDescriptor};
  Descriptor<cudnnTensorDescriptor_t> y{cudnn_api().cudnnCreateTensorDescriptor,
                                        cudnn_api().cudnnDestroyTensorDescriptor};
  Descriptor<cudnnFilterDescriptor_t> weight{cudnn_api().cudnnCreateFilterDescriptor,
                                             cudnn_api().cudnnDestroyFilterDescriptor};
  Descriptor<cudnnConvolutionDescriptor_t> convolution{cudnn_api().cudnnCreateConvolutionDescriptor,
                                                       cudnn_api().cudnnDestroyConvolutionDescriptor};

  std::vector<Suggestion> suggested(Conv2dDirection direction, cudnnHandle_t handle) const {
    const CudnnApi& api = cudnn_api();
    switch (direction) {
      case Conv2dDirection::forward:
        return suggestions<cudnnConvolutionFwdAlgoPerf_t>(
            "cudnnGetConvolutionForwardAlgorithm_v7", [&](int size, int* count, auto* list) {
              return api.cudnnGetConvolutionForwardAlgorithm_v7(handle, x, weight, convolution, y, size,
                                                                count, list);
            });
      case Conv2dDirection::input_gradient:
        return suggestions<cudnnConvolutionBwdDataAlgoPerf_t>(
            "cudnnGetConvolutionBackwardDataAlgorithm_v7", [&](int size, int* count, auto* list) {
              return api.cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, weight, y, convolution, x, size,
                                                                     count, list);
            });
      case Conv2dDirection::weight_gradient:
        return suggestions<cudnnConvolutionBwdFilterAlgoPerf_t>(
            "cudnnGetConvolutionBackwardFilterAlgorithm_v7", [&](int size, int* count, auto* list) {
              return api.cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, x, y, convolution, weight,
                                                                       size, count, list);
            });
    }
    return {};
  }

  cudnnStatus_t workspace(Conv2dDirection direction, cudnnHandle_t handle, int id, std::size_t* bytes) const {
    const CudnnApi& api = cudnn_api();
    switch (direction) {
      case Conv2dDirection::forward:
        return api.cudnnGetConvolutionForwardWorkspaceSize(handle, x, weight, convolution, y,
                                                           static_cast<cudnnConvolutionFwdAlgo_t>(id), bytes);
      case Conv2dDirection::input_gradient:
        return api.cudnnGetConvolutionBackwardDataWorkspaceSize(
            handle, weight, y, convolution, x, static_cast<cudnnConvolutionBwdDataAlgo_t>(id), bytes);
      case Conv2dDirection::weight_gradient:
        return api.cudnnGetConvolutionBackwardFilterWorkspaceSize(
            handle, x, y, convolution, weight, static_cast<cudnnConvolutionBwdFilterAlgo_t>(id), bytes);
    }
    return CUDNN_STATUS_BAD_PARAM;
  }
};

CudnnConvolution& CudnnConvolution::of(const Conv2dProblem& problem) {
  thread_local std::map<Conv2dProblem::Key, std::unique_ptr<CudnnConvolution>> convolutions;
  std::unique_ptr<CudnnConvolution>& known = convolutions[problem.key()];
  if (known == nullptr) known.reset(new CudnnConvolution(problem));
  return *known;
}

CudnnConvolution::~CudnnConvolution() = default;

CudnnConvolution::CudnnConvolution(const Conv2dProblem& problem) : problem_(problem) {
  const CudnnApi& api = cudnn_api();
  const Conv2dSizes& z = problem.sizes;
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  for (const std::int64_t size : {z.n, z.c, z.h, z.w, z.o, z.oh, z.ow, z.kernel.h, z.kernel.w, z.stride.h,
                                  z.stride.w, z.padding.h, z.padding.w, z.dilation.h, z.dilation.w}) {
    check<ShapeError>(size <= most, "{}: cuDNN takes sizes up to 2^31 - 1, got {}", KernelScope::current(),
                      problem.to_string());
  }
  check<ShapeError>(Shape{z.n, z.c, z.h, z.w}.numel() <= most && Shape{z.n, z.o, z.oh, z.ow}.numel() <= most,
                    "{}: cuDNN takes tensors of up to 2^31 - 1 elements, got {}", KernelScope::current(),
                    problem.to_string());

  descriptors_ = std::make_unique<Descriptors>();
  const Descriptors& d = *descriptors_;
  const cudnnDataType_t type = problem.dtype == DType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
  const auto checked = [&](cudnnStatus_t status, const char* call) {
    if (status != CUDNN_STATUS_SUCCESS) check_cudnn(status, call, problem.to_string());
  };
  checked(api.cudnnSetTensor4dDescriptor(d.x, CUDNN_TENSOR_NCHW, type, to_int(z.n), to_int(z.c), to_int(z.h),
                                         to_int(z.w)),
          "cudnnSetTensor4dDescriptor");
  checked(api.cudnnSetTensor4dDescriptor(d.y, CUDNN_TENSOR_NCHW, type, to_int(z.n), to_int(z.o), to_int(z.oh),
                                         to_int(z.ow)),
          "cudnnSetTensor4dDescriptor");
  checked(api.cudnnSetFilter4dDescriptor(d.weight, type, CUDNN_TENSOR_NCHW, to_int(z.o), to_int(z.cg),
                                         to_int(z.kernel.h), to_int(z.kernel.w)),
          "cudnnSetFilter4dDescriptor");
  checked(api.cudnnSetConvolution2dDescriptor(d.convolution, to_int(z.padding.h), to_int(z.padding.w),
                                              to_int(z.stride.h), to_int(z.stride.w), to_int(z.dilation.h),
                                              to_int(z.dilation.w), CUDNN_CROSS_CORRELATION, type),
          "cudnnSetConvolution2dDescriptor");
  checked(api.cudnnSetConvolutionGroupCount(d.convolution, to_int(z.groups)),
          "cudnnSetConvolutionGroupCount");
  find_algorithms();
}

void CudnnConvolution::find_algorithms() {
  const CudnnApi& api = cudnn_api();
  const CudaDeviceGuard guard(problem_.device.index);
  const AllocationScope scope;
  const Conv2dDirection direction = problem_.direction;
  const cudnnHandle_t handle = CudnnHandle::of(problem_.device);
  // CUDNN_DEFAULT_MATH lets float32 be computed in TensorFloat-32.
  const bool exact = problem_.dtype == DType::float32 && !problem_.allows_tf32();
  const auto set_math = [&](cudnnMathType_t math) {
    check_cudnn(api.cudnnSetConvolutionMathType(descriptors_->convolution, math),
                "cudnnSetConvolutionMathType", problem_.to_string());
  };
  set_math(exact ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH);
  for (const Suggestion& suggestion : descriptors_->suggested(direction, handle)) {
    if (suggestion.status != CUDNN_STATUS_SUCCESS || suggestion.determinism != CUDNN_DETERMINISTIC) continue;
    if (suggestion.math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION) continue;  // would round to float16
    if (exact && suggestion.math == CUDNN_TENSOR_OP_MATH) continue;
    if (!problem_.allows_tf32() && !multiplies_directly(direction, suggestion.id)) continue;
    const cudnnMathType_t math = exact ? CUDNN_FMA_MATH : suggestion.math;
    const std::string name = name_of_algorithm(direction, suggestion.id, math);
    if (std::ranges::any_of(algorithms_, [&](const auto& known) { return known.name == name; })) continue;
    set_math(math);
    std::size_t bytes = 0;
    if (descriptors_->workspace(direction, handle, suggestion.id, &bytes) != CUDNN_STATUS_SUCCESS) continue;
    if (bytes > workspace_limit) continue;
    algorithms_.push_back({name, suggestion.id, math, bytes});
  }
  check<CudaError>(
      !algorithms_.empty(),
      "{}: cuDNN has no deterministic algorithm with a workspace of up to {} MiB for {}; gemm does it "
      "(set_conv2d_algorithm)",
      KernelScope::current(), workspace_limit >> 20, problem_.to_string());
}

void CudnnConvolution::run(const CudnnAlgorithm& algorithm, const void* first, const void* second,
                           void* result, bool add) {
  const CudnnApi& api = cudnn_api();
  const Descriptors& d = *descriptors_;
  const Device device = problem_.device;
  const CudaDeviceGuard guard(device.index);
  const Stream stream = Stream::current(device);
  Tensor workspace = empty({static_cast<std::int64_t>(algorithm.workspace_bytes)},
                           {.dtype = DType::uint8, .device = device});
  void* const scratch = workspace.mutable_raw_data();
  const cudnnHandle_t handle = CudnnHandle::of(device);
  check_cudnn(api.cudnnSetStream(handle, static_cast<cudaStream_t>(stream.native())), "cudnnSetStream");
  check_cudnn(api.cudnnSetConvolutionMathType(d.convolution, static_cast<cudnnMathType_t>(algorithm.math)),
              "cudnnSetConvolutionMathType");
  // Scaling factors are double for float64, else float.
  const float factors32[] = {1, add ? 1.0F : 0.0F};
  const double factors64[] = {1, add ? 1.0 : 0.0};
  const bool wide = problem_.dtype == DType::float64;
  const void* const alpha = wide ? static_cast<const void*>(&factors64[0]) : &factors32[0];
  const void* const beta = wide ? static_cast<const void*>(&factors64[1]) : &factors32[1];
  const char* call = "";
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  switch (problem_.direction) {
    case Conv2dDirection::forward:
      call = "cudnnConvolutionForward";
      status = api.cudnnConvolutionForward(handle, alpha, d.x, first, d.weight, second, d.convolution,
                                           static_cast<cudnnConvolutionFwdAlgo_t>(algorithm.id), scratch,
                                           algorithm.workspace_bytes, beta, d.y, result);
      break;
    case Conv2dDirection::input_gradient:
      call = "cudnnConvolutionBackwardData";
      status = api.cudnnConvolutionBackwardData(handle, alpha, d.weight, second, d.y, first, d.convolution,
                                                static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm.id),
                                                scratch, algorithm.workspace_bytes, beta, d.x, result);
      break;
    case Conv2dDirection::weight_gradient:
      call = "cudnnConvolutionBackwardFilter";
      status = api.cudnnConvolutionBackwardFilter(handle, alpha, d.x, first, d.y, second, d.convolution,
                                                  static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm.id),
                                                  scratch, algorithm.workspace_bytes, beta, d.weight, result);
      break;
  }
  if (status != CUDNN_STATUS_SUCCESS) {
    check_cudnn(status, call, fmt::format("{} ({})", problem_.to_string(), algorithm.name));
  }
}

}  // namespace gnn::kernels
