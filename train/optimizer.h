#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"
#include "gnn/layers/module.h"

namespace gnn {

/// Parameters and the settings of their own that they start with; what is not given is the optimizer's:
///
///   gnn::SGD optimizer({{.parameters = body.parameters(), .lr = 1e-3}, {.parameters = head.parameters()}},
///                      {.lr = 1e-2, .momentum = 0.9});
struct GroupOptions {
  std::vector<Tensor> parameters;
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

/// Parameters that an optimizer updates with the same settings. `lr` and `weight_decay` may be changed
/// between steps; the list of parameters may not.
struct ParameterGroup {
  std::vector<Tensor> parameters;
  double lr = 0;
  double weight_decay = 0;
};

/// A number with its name, for example "groups.0.lr".
struct NamedScalar {
  std::string name;
  double value = 0;
};

/// What an optimizer needs, besides the parameters, to go on where it was. Parameters are counted through all
/// groups.
struct OptimizerState {
  /// "state.I.NAME": the state of parameter I, named as in PyTorch (momentum_buffer; exp_avg, exp_avg_sq). A
  /// parameter that was never updated has none.
  std::vector<NamedTensor> tensors;
  /// "state.I.step", the number of updates of parameter I, for those that have state; "groups.G.lr" and
  /// "groups.G.weight_decay"; the other options by name.
  std::vector<NamedScalar> scalars;
};

/// Base of the optimizers: updates parameters in place from their gradients.
///
/// A parameter without a gradient is skipped: neither it nor its state changes. State is created at a
/// parameter's first update, in its dtype and on its device, so move a model to its device first. Every step
/// takes one kernel launch for each group, unless its parameters differ in dtype, device or number of
/// updates, or are very many.
class GNN_API Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates all parameters that have a gradient. Does not wait for the device. Throws DTypeError for a
  /// parameter that is neither float32 nor float64, DeviceError for one that moved to another device since
  /// its first update.
  virtual void step() = 0;
  /// Drops the gradients of all parameters.
  void zero_grad();

  /// The parameter groups, to read and change their settings.
  std::span<ParameterGroup> groups() { return groups_; }
  std::span<const ParameterGroup> groups() const { return groups_; }
  /// Adds a group, whose parameters come after all others: for layers that are trained from some step on.
  /// Throws as the constructor, changing nothing. The settings that are not given are the first group's, and
  /// spans of groups() end.
  void add_group(GroupOptions group);
  /// The learning rate of the first group.
  double lr() const { return groups_.front().lr; }
  /// Sets the learning rate of all groups; throws ValueError unless it is finite and not negative.
  void set_lr(double lr);
  /// Tells what learning rate a group (its number) will have some steps from now, so that captured steps can
  /// be sent their learning rates in advance; {}: what it has now. A wrong forecast costs a small copy to the
  /// device, never a wrong result.
  void foresee_lr(std::function<double(std::size_t group, std::int64_t steps)> forecast);

  /// All state and settings, for saving. Tensors are shared, not copied: the next step changes them.
  OptimizerState state_dict() const;
  /// Restores what state_dict() returned, on this optimizer's parameters: training goes on bitwise as if it
  /// had not been interrupted. Values are copied, also from another device. Throws ValueError listing missing
  /// and unexpected names (of another kind of optimizer, other groups …) or for a setting out of range,
  /// ShapeError or DTypeError for a tensor that does not fit its parameter; nothing is changed then.
  void load_state_dict(const OptimizerState& state);

 protected:
  /// `kind` names the optimizer in errors; `state_names` the state tensors of a parameter. Throws ValueError
  /// when there are no parameters, for one listed twice, and for settings out of range; AutogradError for one
  /// that is not a leaf of the tape; DTypeError for one that is neither float32 nor float64. All must outlive
  /// the optimizer (literals).
  Optimizer(const char* kind, std::vector<const char*> state_names, std::vector<GroupOptions> groups,
            double lr, double weight_decay);

  /// Parameters of one group that a single kernel can update, and what belongs to them, in the same order.
  struct Batch {
    std::vector<Tensor> parameters;
    std::vector<Tensor> grads;
    std::vector<std::vector<Tensor>> states;  // one list per state name
    std::int64_t step = 0;  // number of this update; 1: the state tensors have no values yet
    std::size_t first = 0;  // the first parameter's number, counted through all groups
  };

  /// The parameters of group `index` that have a gradient. `with_state`: counts one update for each, and
  /// creates its state, with undefined values, for the first; otherwise there is no state and no count.
  std::vector<Batch> next_batches(std::size_t index, bool with_state = true);

  /// What a kernel needs to know that differs from step to step: writes it for an update of that number with
  /// these settings.
  using StepFormula =
      std::function<void(double lr, double weight_decay, std::int64_t step, std::span<double> values)>;
  /// In a captured step: where the device keeps the `count` values of `formula` for a batch of group `index`.
  /// Otherwise nullptr. Throws CaptureError where they are not all that differs: at a first update, and when
  /// a step updates a parameter twice.
  const double* step_values(std::size_t index, const Batch& batch, std::int64_t count, StepFormula formula);

  /// The settings that all groups share, by name.
  virtual std::vector<NamedScalar> options() const = 0;
  /// Sets them from values in the order of options(); throws ValueError, changing nothing, for one out of
  /// range.
  virtual void set_options(std::span<const double> values) = 0;

 private:
  class Updates;
  class Values;

  struct State {
    std::int64_t step = 0;
    std::vector<Tensor> tensors;  // one per state name; none as long as step is 0
  };

  void append(ParameterGroup group);

  const char* kind_;
  std::vector<const char*> state_names_;
  std::vector<ParameterGroup> groups_;
  std::vector<State> states_;  // of all parameters, counted through all groups
  std::function<double(std::size_t group, std::int64_t steps)> lr_forecast_;
  std::uint64_t loads_ = 0;  // of state dicts and groups, which replace or move states and settings
};

namespace detail {
/// Puts all parameters into one group.
GNN_API std::vector<GroupOptions> one_group(std::vector<Tensor> parameters);
/// Throws ValueError naming optimizer and setting unless `value` is finite and not negative.
GNN_API void check_setting(const char* optimizer, const char* setting, double value);
/// Throws ValueError naming optimizer and setting unless 0 <= value < 1.
GNN_API void check_fraction(const char* optimizer, const char* setting, double value);
}  // namespace detail

}  // namespace gnn
