#include "gnn/layers/mlp.h"

#include "gnn/core/check.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/dropout.h"
#include "gnn/layers/linear.h"
#include "gnn/layers/views.h"

namespace gnn {
namespace {

void push_activation(Sequential& layers, Nonlinearity activation) {
  switch (activation) {
    case Nonlinearity::linear:
      return;
    case Nonlinearity::sigmoid:
      layers.push_back(Sigmoid());
      return;
    case Nonlinearity::tanh:
      layers.push_back(Tanh());
      return;
    case Nonlinearity::relu:
      layers.push_back(ReLU());
      return;
    case Nonlinearity::leaky_relu:
      layers.push_back(LeakyReLU());
      return;
  }
}

}  // namespace

MLP::MLP(const std::vector<std::int64_t>& sizes, const MLPOptions& options) : Sequential(Kind{"MLP"}) {
  check<ValueError>(sizes.size() >= 2, "MLP: expected the sizes of the input and the output at least, got {}",
                    sizes.size());
  push_back(Flatten());
  for (std::size_t i = 1; i < sizes.size(); ++i) {
    push_back(Linear(sizes[i - 1], sizes[i]));
    if (i + 1 == sizes.size()) break;
    push_activation(*this, options.activation);
    if (options.dropout > 0) push_back(Dropout(options.dropout));
  }
}

}  // namespace gnn
