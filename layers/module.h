#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

class Module;
struct ModuleState;

/// A tensor with its path in a module tree, for example "features.0.weight".
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// While one of these is alive, it is told of every layer that runs on this thread: parents before their
/// children, in the order of execution. LayerScope::path() names the layer. summary() is made of it.
class GNN_API ForwardObserver {
 public:
  ForwardObserver();
  virtual ~ForwardObserver();
  ForwardObserver(const ForwardObserver&) = delete;
  ForwardObserver& operator=(const ForwardObserver&) = delete;

  /// Called when `module` is about to run on `input`.
  virtual void before(const Module& module, const Tensor& input);
  /// Called when it has run; not when it threw.
  virtual void after(const Module& module, const Tensor& input, const Tensor& output);

  /// True while one is alive on this thread.
  static bool active();

 private:
  friend class Module;
  ForwardObserver* outer_;
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
/// Names follow PyTorch, so that state_dict() keys and layouts match the same model there. One module or
/// tensor may be registered in several places (shared weights): parameters() has it once, state_dict() under
/// each name.
class GNN_API Module {
 public:
  /// `kind` is the class's name, for summaries and errors.
  explicit Module(std::string kind);
  virtual ~Module();
  Module(const Module&);
  Module& operator=(const Module&);
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;

  /// The layer's function, for derived classes to define; call the module itself.
  virtual Tensor forward(const Tensor& input) = 0;
  /// Calls forward(); errors thrown inside name this layer.
  Tensor operator()(const Tensor& input);

  const std::string& kind() const;
  /// The name under which a parent last registered this module; empty for a root.
  const std::string& name() const;
  /// Constructor arguments for summaries, for example "20, 50, kernel_size=5"; empty by default.
  virtual std::string describe() const;
  /// Floating-point operations of one forward pass on these shapes; 0 by default (free or unknown).
  virtual std::int64_t flops(const Shape& input, const Shape& output) const;

  /// All parameters (or buffers) of this module and its children, each once, in order of registration, with
  /// dotted paths.
  std::vector<NamedTensor> named_parameters() const;
  std::vector<NamedTensor> named_buffers() const;
  std::vector<Tensor> parameters() const;
  /// Parameters, then buffers of each module, then its children's: what a checkpoint holds. Tensors are
  /// shared, not copied.
  std::vector<NamedTensor> state_dict() const;
  /// Copies values in by name, from any device. Throws ValueError listing missing, unexpected and repeated
  /// names, ShapeError or DTypeError for a tensor that does not fit; nothing is changed then.
  void load_state_dict(const std::vector<NamedTensor>& state);

  /// Training mode (the default) or evaluation, for this module and its children.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const;
  /// Moves parameters and buffers, for every handle to them; gradients are dropped.
  void to(Device device);
  /// Casts floating-point parameters and buffers, for every handle to them; gradients are dropped. Throws
  /// DTypeError for a dtype that is not floating.
  void to(DType dtype);
  /// Drops the gradients of all parameters.
  void zero_grad();

 protected:
  /// Makes `value` a leaf that requires a gradient, registers and returns it. An undefined tensor is not
  /// registered (no bias). Throws ValueError for a name that is taken, empty or has a dot; AutogradError for
  /// a tensor that an operation computed.
  Tensor parameter(std::string name, Tensor value);
  /// Registers state that is saved but not trained, and returns it; undefined and errors as for parameter().
  Tensor buffer(std::string name, Tensor value);
  /// Registers a child and returns it: `Linear fc = child("fc", Linear(2, 3));`. Throws ValueError for a name
  /// that is taken, empty or has a dot, and for a module that contains this one.
  template <std::derived_from<Module> M>
  M child(std::string name, M module) {
    adopt(std::move(name), module);
    return module;
  }
  void adopt(std::string name, const Module& module);

 private:
  friend class ModeScope;
  std::shared_ptr<ModuleState> state_;
};

/// Puts a module and its children into training or evaluation mode; at the end of the scope each gets back
/// the mode that it had.
class GNN_API ModeScope {
 public:
  ModeScope(Module& module, bool training);
  ~ModeScope();
  ModeScope(const ModeScope&) = delete;
  ModeScope& operator=(const ModeScope&) = delete;

 private:
  std::vector<std::pair<std::shared_ptr<ModuleState>, bool>> previous_;
};

}  // namespace gnn
