#include "gnn/layers/lenet.h"

#include "gnn/core/check.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/avg_pool2d.h"
#include "gnn/layers/chain.h"
#include "gnn/layers/max_pool2d.h"
#include "gnn/layers/views.h"

namespace gnn {
namespace {

constexpr std::int64_t image_size = 28;

void check_images(const char* model, const Tensor& images, std::int64_t channels) {
  const Shape& shape = images.shape();
  check<ShapeError>(
      shape.dim() == 4 && shape[1] == channels && shape[2] == image_size && shape[3] == image_size,
      "{}: expected images [N, {}, 28, 28], got {}", model, channels, shape);
}

/// Caffe's "xavier" filler: uniform with variance 1 / fan_in, and no bias.
void fill_as_caffe(Tensor weight, Tensor bias) {
  weight.copy_from(kaiming_uniform(weight.shape(), {.nonlinearity = Nonlinearity::linear}));
  bias.copy_from(zeros_like(bias));
}

Tensor activate(const Tensor& x, Nonlinearity activation) {
  switch (activation) {
    case Nonlinearity::linear:
      return x;
    case Nonlinearity::sigmoid:
      return sigmoid(x);
    case Nonlinearity::tanh:
      return tanh(x);
    case Nonlinearity::relu:
      return relu(x);
    case Nonlinearity::leaky_relu:
      return leaky_relu(x);
  }
  fail<ValueError>("LeNet5: unknown activation");
}

}  // namespace

LeNet::LeNet(const LeNetOptions& options)
    : Module("LeNet"),
      conv1(child("conv1", Conv2d(options.channels, 20, 5))),
      conv2(child("conv2", Conv2d(20, 50, 5))),
      pool(child("pool", MaxPool2d(2))),
      fc1(child("fc1", Linear(50 * 4 * 4, 500))),
      fc2(child("fc2", Linear(500, options.classes))) {
  fill_as_caffe(conv1.weight, conv1.bias);
  fill_as_caffe(conv2.weight, conv2.bias);
  fill_as_caffe(fc1.weight, fc1.bias);
  fill_as_caffe(fc2.weight, fc2.bias);
}

Tensor LeNet::forward(const Tensor& images) {
  check_images("LeNet", images, conv1.weight.size(1));
  const Tensor x = chain(images, conv1, pool, conv2, pool);
  return fc2(fc1.with_relu(flatten(x, 1)));
}

LeNet5::LeNet5(const LeNet5Options& options)
    : Module("LeNet5"),
      conv1(child("conv1", Conv2d(options.channels, 6, 5, {.padding = 2}))),
      conv2(child("conv2", Conv2d(6, 16, 5))),
      fc1(child("fc1", Linear(16 * 5 * 5, 120))),
      fc2(child("fc2", Linear(120, 84))),
      fc3(child("fc3", Linear(84, options.classes))),
      options_(options) {}

Tensor LeNet5::forward(const Tensor& images) {
  check_images("LeNet5", images, options_.channels);
  const auto act = [this](const Tensor& x) { return activate(x, options_.activation); };
  const auto pooled = [&](Conv2d& conv, const Tensor& x) {
    const bool is_max = options_.pooling == Pooling::max;
    if (is_max && options_.activation == Nonlinearity::relu) return conv.pooled(x, true);
    return is_max ? max_pool2d(act(conv(x)), 2) : avg_pool2d(act(conv(x)), 2);
  };
  const auto activated = [&](Linear& fc, const Tensor& x) {
    return options_.activation == Nonlinearity::relu ? fc.with_relu(x) : act(fc(x));
  };
  const Tensor x = pooled(conv2, pooled(conv1, images));
  return fc3(activated(fc2, activated(fc1, flatten(x, 1))));
}

}  // namespace gnn
