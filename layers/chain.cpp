#include "gnn/layers/chain.h"

#include <typeinfo>

#include "gnn/layers/activation.h"
#include "gnn/layers/conv2d.h"
#include "gnn/layers/linear.h"
#include "gnn/layers/max_pool2d.h"

namespace gnn {
namespace {

/// The module as a Layer; nullptr when it is another, also one derived from it, which may do anything.
template <class Layer>
Layer* exactly(Module* module) {
  return typeid(*module) == typeid(Layer) ? static_cast<Layer*>(module) : nullptr;
}

/// Runs the modules that begin the list and that one op can do; returns their number, 0 when there is none.
std::size_t run_fused(std::span<Module* const> modules, Tensor& value) {
  const bool relu_next = modules.size() > 1 && exactly<ReLU>(modules[1]) != nullptr;
  if (auto* const linear = exactly<Linear>(modules[0])) {
    if (!relu_next) return 0;
    value = linear->with_relu(value);
    return 2;
  }
  auto* const conv = exactly<Conv2d>(modules[0]);
  if (conv == nullptr) return 0;
  const std::size_t count = relu_next ? 3 : 2;
  if (modules.size() < count) return 0;
  const auto* const pool = exactly<MaxPool2d>(modules[count - 1]);
  if (pool == nullptr || !pool->halves()) return 0;
  value = conv->pooled(value, relu_next);
  return count;
}

}  // namespace

Tensor chain(const Tensor& x, std::span<Module* const> modules) {
  Tensor value = x;
  const bool fuse = !ForwardObserver::active();
  while (!modules.empty()) {
    std::size_t done = fuse ? run_fused(modules, value) : 0;
    if (done == 0) {
      value = (*modules[0])(value);
      done = 1;
    }
    modules = modules.subspan(done);
  }
  return value;
}

}  // namespace gnn
