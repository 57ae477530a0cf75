#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"

// The reverse-mode tape. A differentiable function computes its result with kernels and then records how to
// get the gradients of its inputs from the gradient of the result:
//
//   Tensor square(const Tensor& x) {
//     Tensor y = empty_like(x);
//     kernels::run<kernels::SquareForward>(x, y);
//     return record("square", y, {x}, [x = save(x)](const Tensor& grad, Gradients& grads) {
//       Tensor dx = empty_like(grad);
//       kernels::run<kernels::SquareBackward>(x.get(), grad, dx);
//       grads.set(0, dx);
//     });
//   }
//
// The function may capture Saved values, shapes and parameters, never a Tensor handle with history. Nodes are
// owned by their results: dropping a result frees its part of the tape. backward() runs them in the reverse
// order of recording, each once, and frees what a node saved as soon as it has run.

namespace gnn {

/// A tensor's value, kept for the backward pass. get() throws AutogradError when the memory was changed in
/// place since.
class GNN_API Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& tensor);
  const Tensor& get() const;
  bool defined() const { return value_.defined(); }

 private:
  Tensor value_;
  std::uint64_t version_ = 0;
};

/// Keeps the value of `tensor` (undefined stays undefined) for the backward pass.
inline Saved save(const Tensor& tensor) {
  return Saved(tensor);
}

/// Where a backward function puts the gradients of its inputs.
class GNN_API Gradients {
 public:
  explicit Gradients(std::vector<bool> needed);
  /// True when somebody needs the gradient of input `index`; do not compute the others.
  bool needed(std::size_t index) const { return needed_[index]; }
  /// Sets the gradient of input `index`: same shape and dtype as the input. Not setting it means zero.
  void set(std::size_t index, Tensor grad);

  std::vector<Tensor> take() { return std::move(grads_); }

 private:
  std::vector<bool> needed_;
  std::vector<Tensor> grads_;
};

using BackwardFunction = std::function<void(const Tensor& grad, Gradients& grads)>;

/// Records that `result` was computed from `inputs` by `op`, and returns it. Does nothing when recording is
/// off or no input requires a gradient; undefined inputs are allowed and never need one. `op` must outlive
/// the tape (a literal).
GNN_API Tensor record(const char* op, Tensor result, std::initializer_list<Tensor> inputs,
                      BackwardFunction backward);
GNN_API Tensor record(const char* op, Tensor result, std::span<const Tensor> inputs,
                      BackwardFunction backward);

/// record() for a loss, a result that backward() usually starts from. The default gradient 1 is then not
/// made, which on a GPU would be a launch of its own: `backward` must take an undefined `grad` for it, too.
GNN_API Tensor record_loss(const char* op, Tensor result, std::initializer_list<Tensor> inputs,
                           BackwardFunction backward);

/// True when record() would record an operation on these inputs; for functions that save more for it.
GNN_API bool is_recording(std::initializer_list<Tensor> inputs);

/// True unless recording is off in this thread (NoGrad, set_grad_enabled).
GNN_API bool grad_enabled();
/// Switches recording on or off for this thread; returns what it was. In C++ rather use NoGrad.
GNN_API bool set_grad_enabled(bool on);

/// Switches recording off for this thread until the end of the scope.
class GNN_API NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous_;
};

}  // namespace gnn
