#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gnn/autograd/tape.h"
#include "gnn/core/tensor_impl.h"

namespace gnn {

/// Where the gradient of an input goes: to the operation that made it, or to a leaf, or nowhere.
struct Edge {
  std::shared_ptr<Node> node;
  std::shared_ptr<TensorImpl> leaf;
  Shape shape;
  DType dtype = DType::float32;

  bool needed() const { return node != nullptr || leaf != nullptr; }
};

/// A recorded operation. Not installed.
class Node {
 public:
  Node(const char* op, std::vector<Edge> inputs, BackwardFunction backward, bool is_loss = false);
  /// Takes the tape behind it apart in a loop: the default would recurse once per operation and overflow the
  /// stack on a long tape.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* const op;
  const std::uint64_t sequence;  // grows in the order of recording
  std::vector<Edge> inputs;
  const bool is_loss;         // an undefined gradient is 1
  BackwardFunction backward;  // empty once it ran and was freed
};

}  // namespace gnn
