#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

struct ModuleState;

/// A tensor with its path in a module tree, for example "features.0.weight".
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Base of every layer and model. Like a Tensor, a Module is a handle: copies share parameters, buffers and
/// mode, so a module may be a plain member or be passed by value. Derived classes declare parameters and
/// children where they are initialised:
///
///   class Net : public gnn::Module {
///    public:
///     Net() : Module("Net") {}
///     gnn::Tensor forward(const gnn::Tensor& x) override { return fc2(gnn::relu(fc1(x))); }
///
///     gnn::Linear fc1 = child("fc1", gnn::Linear(784, 128));
///     gnn::Linear fc2 = child("fc2", gnn::Linear(128, 10));
///   };
///
/// Names follow PyTorch, so that state_dict() keys and layouts match the same model there.
class GNN_API Module {
 public:
  /// `kind` is the class's name, for summaries and errors.
  explicit Module(std::string kind);
  virtual ~Module();
  Module(const Module&);
  Module& operator=(const Module&);
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;

  /// The layer's function.
  virtual Tensor forward(const Tensor& input) = 0;
  /// Calls forward(); errors thrown inside name this layer.
  Tensor operator()(const Tensor& input);

  const std::string& kind() const;
  /// The name under which a parent registered this module; empty for a root.
  const std::string& name() const;
  /// Constructor arguments for summaries, for example "20, 50, kernel_size=5"; empty by default.
  virtual std::string describe() const;
  /// Floating-point operations of one forward pass on these shapes; 0 by default (free or unknown).
  virtual std::int64_t flops(const Shape& input, const Shape& output) const;

  /// All parameters (or buffers) of this module and its children, in order of registration, with dotted
  /// paths.
  std::vector<NamedTensor> named_parameters() const;
  std::vector<NamedTensor> named_buffers() const;
  std::vector<Tensor> parameters() const;
  /// Parameters, then buffers of each module, in order: what a checkpoint holds. Tensors are shared, not
  /// copied.
  std::vector<NamedTensor> state_dict() const;
  /// Copies values in by name. Throws ValueError listing missing and unexpected names, ShapeError or
  /// DTypeError for a tensor that does not fit; nothing is changed then.
  void load_state_dict(const std::vector<NamedTensor>& state);

  /// Training mode (the default) or evaluation, for this module and its children.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const;
  /// Moves parameters and buffers, for every handle to them; gradients are dropped.
  void to(Device device);
  /// Casts floating-point parameters and buffers to a floating dtype.
  void to(DType dtype);
  /// Drops the gradients of all parameters.
  void zero_grad();

 protected:
  /// Registers a leaf that requires a gradient, and returns it. An undefined tensor is not registered (no
  /// bias).
  Tensor parameter(std::string name, Tensor value);
  /// Registers state that is saved but not trained.
  Tensor buffer(std::string name, Tensor value);
  /// Registers a child and returns it: `Linear fc = child("fc", Linear(2, 3));`. Throws ValueError for a name
  /// that is taken, empty or has a dot.
  template <class M>
  M child(std::string name, M module) {
    adopt(std::move(name), module);
    return module;
  }
  void adopt(std::string name, const Module& module);

 private:
  friend class ModuleTree;  // summary() and others that walk the tree
  std::shared_ptr<ModuleState> state_;
};

}  // namespace gnn
