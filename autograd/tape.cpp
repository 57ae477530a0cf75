#include "gnn/autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "gnn/autograd/node.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

thread_local bool recording = true;
std::atomic<std::uint64_t> next_sequence{0};

bool needs_grad(const Tensor& tensor) {
  return tensor.defined() && tensor.requires_grad();
}

}  // namespace

Node::Node(const char* name, std::vector<Edge> edges, BackwardFunction function, bool loss)
    : op(name),
      sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)),
      inputs(std::move(edges)),
      is_loss(loss),
      backward(std::move(function)) {}

Node::~Node() {
  std::vector<Edge> edges = std::move(inputs);
  while (!edges.empty()) {
    const std::shared_ptr<Node> node = std::move(edges.back().node);
    edges.pop_back();
    if (node == nullptr || node.use_count() > 1) continue;
    std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(edges));
    node->inputs.clear();
  }
}

Saved::Saved(const Tensor& tensor) {
  if (!tensor.defined()) return;
  value_ = tensor.detach();
  version_ = tensor.version();
}

const Tensor& Saved::get() const {
  if (value_.defined()) {
    check<AutogradError>(
        value_.version() == version_,
        "backward: a tensor of shape {} that an operation saved for its gradient was changed in "
        "place afterwards ({} change(s)); change a clone() instead, or change it after backward()",
        value_.shape(), value_.version() - version_);
  }
  return value_;
}

Gradients::Gradients(std::vector<bool> needed) : needed_(std::move(needed)), grads_(needed_.size()) {}

void Gradients::set(std::size_t index, Tensor grad) {
  grads_.at(index) = std::move(grad);
}

namespace {

Tensor record(const char* op, Tensor result, std::span<const Tensor> inputs, BackwardFunction backward,
              bool is_loss) {
  if (!recording || std::none_of(inputs.begin(), inputs.end(), needs_grad)) return result;
  std::vector<Edge> edges(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!needs_grad(inputs[i])) continue;
    const std::shared_ptr<TensorImpl>& impl = TensorAccess::impl(inputs[i]);
    edges[i].node = impl->autograd.node;
    if (edges[i].node == nullptr) edges[i].leaf = impl;
    edges[i].shape = impl->shape;
    edges[i].dtype = impl->dtype;
  }
  TensorAccess::impl(result)->autograd.node =
      std::make_shared<Node>(op, std::move(edges), std::move(backward), is_loss);
  return result;
}

}  // namespace

Tensor record(const char* op, Tensor result, std::span<const Tensor> inputs, BackwardFunction backward) {
  return record(op, std::move(result), inputs, std::move(backward), false);
}

Tensor record(const char* op, Tensor result, std::initializer_list<Tensor> inputs,
              BackwardFunction backward) {
  return record(op, std::move(result), std::span(inputs.begin(), inputs.size()), std::move(backward), false);
}

Tensor record_loss(const char* op, Tensor result, std::initializer_list<Tensor> inputs,
                   BackwardFunction backward) {
  return record(op, std::move(result), std::span(inputs.begin(), inputs.size()), std::move(backward), true);
}

bool is_recording(std::initializer_list<Tensor> inputs) {
  return recording && std::any_of(inputs.begin(), inputs.end(), needs_grad);
}

bool grad_enabled() {
  return recording;
}

bool set_grad_enabled(bool on) {
  return std::exchange(recording, on);
}

NoGrad::NoGrad() : previous_(set_grad_enabled(false)) {}

NoGrad::~NoGrad() {
  recording = previous_;
}

}  // namespace gnn
