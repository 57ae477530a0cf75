#pragma once

// Small networks and data for the tests of captured steps.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gnn/gnn.h"

namespace gnn::testing {

/// `count` random images of 1 x 8 x 8, brighter at the top for class 0, elsewhere for others.
inline ImageDataset striped_images(std::int64_t count, std::uint64_t seed = 1) {
  Generator generator(seed);
  const std::vector<std::int32_t> words = [&] {
    Tensor bits = rand({count * 65}, {.dtype = DType::float32}, &generator);
    std::vector<std::int32_t> numbers;
    for (const float value : bits.to_vector<float>())
      numbers.push_back(static_cast<std::int32_t>(value * 200));
    return numbers;
  }();
  ImageDataset data;
  data.name = "stripes";
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t label = words[static_cast<std::size_t>(count * 64 + i)] % 4;
    labels.push_back(label);
    for (int p = 0; p < 64; ++p) {
      const std::int32_t value = words[static_cast<std::size_t>(i * 64 + p)] + (p / 16 == label ? 55 : 0);
      pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  data.images = from_values(pixels, {count, 1, 8, 8});
  data.labels = from_values(labels, {count});
  data.class_names = {"a", "b", "c", "d"};
  data.mean = 0.4;
  data.std = 0.3;
  return data;
}

/// Convolution, pooling and two linear layers, as in LeNet.
inline Sequential small_lenet() {
  manual_seed(3);
  return Sequential(Conv2d(1, 4, 3), MaxPool2d(2), ReLU(), Conv2d(4, 6, 2), Flatten(), Linear(24, 12), ReLU(),
                    Linear(12, 4));
}

inline Sequential dropout_mlp() {
  manual_seed(4);
  return Sequential(Flatten(), Linear(64, 24), ReLU(), Dropout(0.4), Linear(24, 10), Tanh(), Dropout(0.2),
                    Linear(10, 4));
}

/// All that training changes, to be compared bit for bit.
struct Trained {
  std::vector<std::vector<float>> weights;
  std::vector<std::vector<float>> grads;
  std::vector<std::vector<double>> optimizer;  // states, then scalars
  std::vector<double> losses;
  std::vector<double> accuracies;
  std::vector<double> rates;
  GeneratorState generator;

  bool operator==(const Trained&) const = default;
};

inline void note_model(Trained& result, Module& model, const Optimizer& optimizer) {
  for (const Tensor& parameter : model.parameters()) {
    result.weights.push_back(parameter.to_vector<float>());
    if (parameter.grad().defined()) result.grads.push_back(parameter.grad().to_vector<float>());
  }
  const OptimizerState state = optimizer.state_dict();
  for (const NamedTensor& tensor : state.tensors) result.optimizer.push_back(tensor.tensor.to_doubles());
  for (const NamedScalar& scalar : state.scalars) result.optimizer.push_back({scalar.value});
  result.generator = default_generator().state();
}

}  // namespace gnn::testing
