#pragma once

#include <cstdint>

#include "gnn/layers/conv2d.h"
#include "gnn/layers/init.h"
#include "gnn/layers/linear.h"
#include "gnn/layers/max_pool2d.h"
#include "gnn/layers/module.h"

namespace gnn {

struct LeNetOptions {
  std::int64_t channels = 1;  ///< of the images
  std::int64_t classes = 10;
};

/// The LeNet of Caffe's MNIST example, for images [N, channels, 28, 28] (float32); the output is logits [N,
/// classes]:
///
///   conv1  channels -> 20, 5x5;  max_pool2d 2x2
///   conv2  20 -> 50, 5x5;        max_pool2d 2x2
///   fc1    800 -> 500;           relu
///   fc2    500 -> classes
///
/// There is no non-linearity behind the convolutions but the pooling, as there. Weights are initialised as
/// Caffe's "xavier" filler does, uniform in [-b, b) with b = sqrt(3 / fan_in), biases with 0. forward()
/// throws ShapeError for another shape. 431,080 parameters for MNIST.
class GNN_API LeNet : public Module {
 public:
  explicit LeNet(const LeNetOptions& options = {});
  Tensor forward(const Tensor& images) override;

  Conv2d conv1;
  Conv2d conv2;
  MaxPool2d pool;
  Linear fc1;
  Linear fc2;
};

enum class Pooling { average, max };

struct LeNet5Options {
  std::int64_t channels = 1;
  std::int64_t classes = 10;
  Nonlinearity activation = Nonlinearity::tanh;
  Pooling pooling = Pooling::average;
};

/// LeNet-5 of LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition"
/// (1998), as it is built today, for images [N, channels, 28, 28]; the output is logits [N, classes]:
///
///   conv1  channels -> 6, 5x5, padding 2;  activation;  pooling 2x2
///   conv2  6 -> 16, 5x5;                   activation;  pooling 2x2
///   fc1    400 -> 120;                     activation
///   fc2    120 -> 84;                      activation
///   fc3    84 -> classes
///
/// Unlike the original, conv2 sees all 6 planes, pooling has no coefficients, tanh is not scaled and the
/// output is linear instead of radial basis functions. Default initialisation of the layers. 61,706
/// parameters for MNIST.
class GNN_API LeNet5 : public Module {
 public:
  explicit LeNet5(const LeNet5Options& options = {});
  Tensor forward(const Tensor& images) override;

  Conv2d conv1;
  Conv2d conv2;
  Linear fc1;
  Linear fc2;
  Linear fc3;

 private:
  LeNet5Options options_;
};

}  // namespace gnn
