#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gnn/layers/module.h"

namespace gnn {

/// One layer that ran.
struct LayerSummary {
  std::string path;   ///< "features.0"; empty for the model itself
  std::string layer;  ///< "Conv2d(1, 20, kernel_size=5)"
  std::size_t depth = 0;
  Shape output;
  std::int64_t parameters = 0;  ///< elements of its own parameters, not its children's nor any counted before
  std::int64_t flops = 0;       ///< of its own forward pass
  std::int64_t output_bytes = 0;
};

struct ModelSummary {
  Shape input;
  std::vector<LayerSummary> layers;  ///< in the order of execution, parents before their children
  std::int64_t parameters = 0;       ///< elements, of all layers, also such that did not run
  std::int64_t parameter_bytes = 0;  ///< of the parameters; gradients take as much again
  std::int64_t buffer_bytes = 0;
  std::int64_t flops = 0;         ///< of one forward pass; a multiply-add counts as two
  std::int64_t output_bytes = 0;  ///< of all layers without children: what a training step keeps, roughly

  /// A table for people.
  std::string to_string() const;
};

/// Runs the model once on zeros of shape `input` (with the batch's dimension; on the device and with the
/// dtype of the model's first parameter), in evaluation mode and without recording, and lists what its layers
/// made of it. Functions that are called without a layer (relu(x) in a forward()) do not appear. Throws what
/// the model throws.
GNN_API ModelSummary summarize(Module& model, const Shape& input);

/// summarize(), as a table.
GNN_API std::string summary(Module& model, const Shape& input);

}  // namespace gnn
