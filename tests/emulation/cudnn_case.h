#pragma once

// What the tests of cuDNN share.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulation/control.h"
#include "emulation/cudnn_control.h"
#include "gnn/gnn.h"
#include "support/op_case.h"

namespace gnn::testing {

inline const Device cuda_device = Device::cuda(0);

inline Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::float32) {
  return to_tensor({shape, random_values(shape.numel(), -1, 1, seed)}, dtype, cuda_device);
}

/// Result and gradients of one convolution.
using Values = std::vector<std::vector<double>>;
inline Values convolve(const Shape& x_shape = {2, 3, 7, 6}, const Shape& weight_shape = {4, 3, 3, 3},
                       DType dtype = DType::float32) {
  Tensor x = random_tensor(x_shape, 1, dtype).set_requires_grad();
  Tensor weight = random_tensor(weight_shape, 2, dtype).set_requires_grad();
  Tensor bias = random_tensor({weight_shape[0]}, 3, dtype).set_requires_grad();
  const Tensor y = conv2d(x, weight, bias);
  y.backward(random_tensor(y.shape(), 4, dtype));
  return {y.to_doubles(), x.grad().to_doubles(), weight.grad().to_doubles(), bias.grad().to_doubles()};
}

inline void expect_near(const Values& got, const Values& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i].size(), want[i].size());
    for (std::size_t j = 0; j < want[i].size(); ++j) EXPECT_NEAR(got[i][j], want[i][j], 1e-5);
  }
}

class Cudnn : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cudnn::is_available()) << cudnn::unavailable_reason();
    forget_conv2d_tunings();
    emulation::take_reports();
    emulation::take_cudnn_runs();
  }
  void TearDown() override {
    for (const char* function :
         {"cudnnCreate", "cudnnConvolutionForward", "cudnnGetConvolutionForwardWorkspaceSize",
          "cudnnGetConvolutionForwardAlgorithm_v7", "cudnnSetTensor4dDescriptor"})
      emulation::fail_cudnn(function, 0, CUDNN_STATUS_SUCCESS);
    for (const char* work :
         {"cuBLAS", "cudnnConvolutionForward 0", "cudnnConvolutionForward 1", "cudnnConvolutionForward 2",
          "cudnnConvolutionBackwardData 1", "cudnnConvolutionBackwardFilter 1"})
      emulation::slow_down(work, 0);
    set_conv2d_algorithm("gemm");
    set_float32_matmul_precision("highest");
    EXPECT_TRUE(emulation::take_reports().empty());
  }
};

}  // namespace gnn::testing
