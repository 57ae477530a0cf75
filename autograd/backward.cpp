#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gnn/autograd/node.h"
#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/kernels/binary.h"
#include "gnn/kernels/fill.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

Tensor clone(const Tensor& tensor) {
  Tensor copy = empty_like(tensor);
  copy.copy_from(tensor);
  return copy;
}

/// sum += grad; in place where nobody else sees the memory of `sum`.
void accumulate(Tensor& sum, Tensor grad) {
  if (!sum.defined()) {
    sum = std::move(grad);
    return;
  }
  if (!sum.owns_memory_alone()) sum = clone(sum);
  kernels::run<kernels::AddInPlace>(sum, grad);
}

void check_gradient(const char* op, std::size_t input, const Tensor& grad, const Shape& shape, DType dtype) {
  check<AutogradError>(grad.shape() == shape && grad.dtype() == dtype,
                       "backward of {}: the gradient of input {} should be {} {}, got {} {}", op, input,
                       dtype, shape, grad.dtype(), grad.shape());
}

/// One backward pass from one result.
class Pass {
 public:
  /// An undefined gradient is 1, for the node of a loss.
  Pass(const std::shared_ptr<Node>& root, Tensor grad, bool retain) : root_(root.get()), retain_(retain) {
    collect(root);
    pending_[root.get()] = std::move(grad);
  }

  void run() {
    for (std::shared_ptr<Node>& node : nodes_) {
      const Tensor grad = std::move(pending_[node.get()]);
      if (grad.defined() || node.get() == root_) run_node(*node, grad);
      for (const Edge& edge : node->inputs) {
        if (edge.leaf != nullptr && --leaves_[edge.leaf.get()].uses == 0) complete(*edge.leaf);
      }
      if (!retain_) {
        node->backward = nullptr;
        node->inputs.clear();
      }
      node.reset();
    }
  }

 private:
  struct LeafState {
    int uses = 0;  // edges that have not delivered yet
    Tensor sum;
  };

  /// Finds everything reachable, in the order to run, and counts the uses of each leaf. Nothing has changed
  /// when this throws.
  void collect(const std::shared_ptr<Node>& root) {
    std::vector<std::shared_ptr<Node>> open{root};
    pending_[root.get()];
    while (!open.empty()) {
      std::shared_ptr<Node> node = std::move(open.back());
      open.pop_back();
      check<AutogradError>(
          node->backward != nullptr,
          "backward: the tape of {} was freed by an earlier backward(); run the forward pass again, "
          "or pass retain_graph = true to the first backward()",
          node->op);
      for (const Edge& edge : node->inputs) {
        if (edge.leaf != nullptr) leaves_[edge.leaf.get()].uses++;
        if (edge.node != nullptr && pending_.try_emplace(edge.node.get()).second) open.push_back(edge.node);
      }
      nodes_.push_back(std::move(node));
    }
    std::sort(nodes_.begin(), nodes_.end(),
              [](const auto& a, const auto& b) { return a->sequence > b->sequence; });
  }

  void run_node(Node& node, const Tensor& grad) {
    std::vector<bool> needed(node.inputs.size());
    std::transform(node.inputs.begin(), node.inputs.end(), needed.begin(),
                   [](const Edge& edge) { return edge.needed(); });
    Gradients gradients(std::move(needed));
    node.backward(grad, gradients);
    std::vector<Tensor> grads = gradients.take();
    for (std::size_t i = 0; i < grads.size(); ++i) {
      const Edge& edge = node.inputs[i];
      if (!grads[i].defined() || !edge.needed()) continue;
      check_gradient(node.op, i, grads[i], edge.shape, edge.dtype);
      accumulate(edge.node != nullptr ? pending_[edge.node.get()] : leaves_[edge.leaf.get()].sum,
                 std::move(grads[i]));
    }
  }

  /// All uses of a leaf have delivered: runs its hooks and adds the sum to its gradient.
  void complete(TensorImpl& leaf) {
    Tensor grad = std::move(leaves_[&leaf].sum);
    if (!grad.defined()) return;
    const auto hooks = leaf.autograd.hooks;  // a copy: a hook may remove itself
    if (!hooks.empty()) forbid_in_capture("a gradient's hook", "it would run in the recording alone");
    for (const auto& [id, hook] : hooks) {
      Tensor replaced = hook(grad);
      if (!replaced.defined()) continue;
      check_gradient("a hook", 0, replaced, leaf.shape, leaf.dtype);
      grad = std::move(replaced);
    }
    Tensor& target = leaf.autograd.grad;
    if (target.defined()) {
      kernels::run<kernels::AddInPlace>(target, grad);
    } else {
      // The leaf owns its gradient: others may change theirs in place.
      target = grad.owns_memory_alone() ? std::move(grad) : clone(grad);
    }
  }

  const Node* const root_;
  const bool retain_;
  std::vector<std::shared_ptr<Node>> nodes_;
  std::unordered_map<Node*, Tensor> pending_;
  std::unordered_map<TensorImpl*, LeafState> leaves_;
};

}  // namespace

void Tensor::backward(const Tensor& grad, bool retain_graph) const {
  check<AutogradError>(
      requires_grad(),
      "backward: the tensor of shape {} was not computed from any tensor that requires a gradient "
      "(or under NoGrad)",
      shape());
  check<AutogradError>(is_floating(dtype()), "backward: expected a floating-point tensor, got {}", dtype());
  const NoGrad no_grad;
  Tensor seed = grad;
  if (seed.defined()) {
    check<ShapeError>(seed.shape() == shape(), "backward: expected a gradient of shape {}, got {}", shape(),
                      seed.shape());
    check<DTypeError>(seed.dtype() == dtype(), "backward: expected a gradient of {}, got {}", dtype(),
                      seed.dtype());
  } else {
    check<AutogradError>(
        numel() == 1,
        "backward: a gradient must be given for a tensor of shape {}; only a tensor of one element "
        "has the default gradient 1",
        shape());
    if (is_leaf() || !impl_->autograd.node->is_loss) {
      seed = empty_like(*this);
      kernels::run<kernels::Fill>(seed, 1.0);
    }
  }
  if (is_leaf()) {
    // Recorded as an identity, so that hooks and accumulation are the same as for any other use.
    const Tensor identity = [&] {
      Tensor view = detach();
      Edge edge{nullptr, impl_, shape(), dtype()};
      TensorAccess::impl(view)->autograd.node = std::make_shared<Node>(
          "identity", std::vector<Edge>{edge}, [](const Tensor& g, Gradients& grads) { grads.set(0, g); });
      return view;
    }();
    Pass(identity.impl_->autograd.node, seed, false).run();
    return;
  }
  Pass(impl_->autograd.node, seed, retain_graph).run();
}

}  // namespace gnn
