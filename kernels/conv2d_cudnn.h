#pragma once

// Convolutions by cuDNN. Not installed.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gnn/kernels/conv2d.h"

namespace gnn::kernels {

enum class Conv2dDirection : std::uint8_t { forward, input_gradient, weight_gradient };

/// One convolution, or one of its gradients.
struct Conv2dProblem {
  Conv2dDirection direction;
  Conv2dSizes sizes;
  DType dtype;
  Device device;

  /// All that an algorithm's choice depends on: equal for equal problems at the same precision.
  using Key = std::array<std::int64_t, 18>;
  Key key() const;
  /// "input [64, 20, 12, 12], weight [50, 20, 5, 5], stride 1, …, float32 on cuda:0".
  std::string to_string() const;
  /// True when float32 factors may be rounded to TensorFloat-32.
  bool allows_tf32() const;
};

/// One of cuDNN's algorithms for a problem.
struct CudnnAlgorithm {
  std::string name;  ///< "cudnn implicit_gemm"
  int id = 0;        ///< cudnnConvolutionFwdAlgo_t, …BwdDataAlgo_t or …BwdFilterAlgo_t
  int math = 0;      ///< cudnnMathType_t
  std::size_t workspace_bytes = 0;
};

/// A problem as cuDNN describes it.
class CudnnConvolution {
 public:
  /// This thread's, made when it is first asked for. Throws DeviceError where there is no cuDNN, ShapeError
  /// for sizes beyond those that it takes, CudaError when it has no algorithm that may be used.
  static CudnnConvolution& of(const Conv2dProblem& problem);
  ~CudnnConvolution();
  CudnnConvolution(const CudnnConvolution&) = delete;
  CudnnConvolution& operator=(const CudnnConvolution&) = delete;

  /// Those that are deterministic and compute as precisely as is asked for (see conv2d_algorithm.h), and
  /// whose workspace is not too large; at least one, and first the one that cuDNN's heuristics prefer.
  const std::vector<CudnnAlgorithm>& algorithms() const { return algorithms_; }

  /// On the device's current stream: result = convolution, or result += it. `first` and `second` are x and
  /// weight, dy and weight, or x and dy, as the kernels of conv2d.h have them.
  void run(const CudnnAlgorithm& algorithm, const void* first, const void* second, void* result,
           bool add = false);

 private:
  explicit CudnnConvolution(const Conv2dProblem& problem);
  void find_algorithms();

  struct Descriptors;
  Conv2dProblem problem_;
  std::unique_ptr<Descriptors> descriptors_;
  std::vector<CudnnAlgorithm> algorithms_;
};

}  // namespace gnn::kernels
