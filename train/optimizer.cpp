#include "gnn/train/optimizer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "gnn/core/capture.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

std::string joined(const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  std::string text = names.front();
  for (std::size_t i = 1; i < names.size(); ++i) text += ", " + names[i];
  return text;
}

/// Named values that are taken out one by one: what is asked for in vain is missing, what stays is
/// unexpected.
template <class Value>
class Names {
 public:
  void add(const char* kind, const std::string& name, const Value& value) {
    check<ValueError>(values_.emplace(name, value).second, "{}: the saved state has {} twice", kind, name);
  }
  bool has(const std::string& name) const { return values_.contains(name); }
  Value take(const std::string& name, std::vector<std::string>& missing) {
    const auto node = values_.extract(name);
    if (!node.empty()) return node.mapped();
    missing.push_back(name);
    return {};
  }
  void list(std::vector<std::string>& unexpected) const {
    for (const auto& entry : values_) unexpected.push_back(entry.first);
  }

 private:
  std::map<std::string, Value> values_;
};

void check_group(const char* kind, const ParameterGroup& group) {
  detail::check_setting(kind, "lr", group.lr);
  detail::check_setting(kind, "weight_decay", group.weight_decay);
}

}  // namespace

Optimizer::Optimizer(const char* kind, std::vector<const char*> state_names, std::vector<GroupOptions> groups,
                     double lr, double weight_decay)
    : kind_(kind), state_names_(std::move(state_names)) {
  for (GroupOptions& group : groups)
    append({std::move(group.parameters), group.lr.value_or(lr), group.weight_decay.value_or(weight_decay)});
  check<ValueError>(!states_.empty(), "{}: got no parameters", kind_);
}

void Optimizer::append(ParameterGroup group) {
  std::vector<Tensor> all;
  for (const ParameterGroup& other : groups_)
    all.insert(all.end(), other.parameters.begin(), other.parameters.end());
  for (const Tensor& parameter : group.parameters) {
    check<ValueError>(parameter.defined(), "{}: parameter {} is undefined", kind_, all.size());
    check<AutogradError>(parameter.is_leaf(), "{}: parameter {} is the result of an operation, not a leaf",
                         kind_, all.size());
    check<DTypeError>(parameter.dtype() == DType::float32 || parameter.dtype() == DType::float64,
                      "{}: expected float32 or float64, got parameter {} of {}", kind_, all.size(),
                      parameter.dtype());
    for (std::size_t i = 0; i < all.size(); ++i) {
      check<ValueError>(!parameter.is_same(all[i]), "{}: parameters {} and {} are the same tensor", kind_, i,
                        all.size());
    }
    all.push_back(parameter);
  }
  check_group(kind_, group);
  groups_.push_back(std::move(group));
  states_.resize(all.size());
}

/// The numbers of updates that a captured step counts.
class Optimizer::Updates final : public StepInput {
 public:
  Updates(Optimizer& optimizer, std::size_t first_state, std::size_t states)
      : optimizer_(optimizer), first_(first_state), loads_(optimizer.loads_) {
    for (std::size_t i = 0; i < states; ++i) counts_.push_back(steps_of(i));
  }

  bool fits() const override { return optimizer_.loads_ == loads_; }
  void undo() override {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] = std::exchange(steps_of(i), counts_[i]) - counts_[i];
  }
  void advance() override {
    for (std::size_t i = 0; i < counts_.size(); ++i) steps_of(i) += counts_[i];
  }
  void write(std::int64_t, std::span<std::uint64_t>) const override {}

 private:
  std::int64_t& steps_of(std::size_t i) { return optimizer_.states_[first_ + i].step; }

  Optimizer& optimizer_;
  std::size_t first_;
  std::uint64_t loads_;
  std::vector<std::int64_t> counts_;  // before the recorded step; after undo() those of one step
};

/// The values that a captured step's kernel reads.
class Optimizer::Values final : public StepInput {
 public:
  Values(Optimizer& optimizer, std::size_t group, std::size_t state, StepFormula formula)
      : optimizer_(optimizer), group_(group), state_(state), formula_(std::move(formula)) {}

  void undo() override {}
  void advance() override {}
  void write(std::int64_t ahead, std::span<std::uint64_t> words) const override {
    const ParameterGroup& group = optimizer_.groups_[group_];
    check_group(optimizer_.kind_, group);
    const auto& forecast = optimizer_.lr_forecast_;
    const double lr = ahead == 0 || !forecast ? group.lr : forecast(group_, ahead);
    std::vector<double> values(words.size());
    formula_(lr, group.weight_decay, optimizer_.states_[state_].step + 1 + ahead, values);
    std::ranges::transform(values, words.begin(),
                           [](double value) { return std::bit_cast<std::uint64_t>(value); });
  }

 private:
  Optimizer& optimizer_;
  std::size_t group_;
  std::size_t state_;  // whose number of updates counts
  StepFormula formula_;
};

Optimizer::~Optimizer() = default;

void Optimizer::zero_grad() {
  for (ParameterGroup& group : groups_) {
    for (Tensor& parameter : group.parameters) parameter.set_grad({});
  }
}

void Optimizer::add_group(GroupOptions group) {
  check<ValueError>(!group.parameters.empty(), "{}: got a group without parameters", kind_);
  append({std::move(group.parameters), group.lr.value_or(groups_.front().lr),
          group.weight_decay.value_or(groups_.front().weight_decay)});
  ++loads_;
}

void Optimizer::set_lr(double lr) {
  detail::check_setting(kind_, "lr", lr);
  for (ParameterGroup& group : groups_) group.lr = lr;
}

void Optimizer::foresee_lr(std::function<double(std::size_t group, std::int64_t steps)> forecast) {
  lr_forecast_ = std::move(forecast);
}

const double* Optimizer::step_values(std::size_t index, const Batch& batch, std::int64_t count,
                                     StepFormula formula) {
  Capture* const capture = Capture::current();
  if (capture == nullptr) return nullptr;
  check<CaptureError>(batch.step != 1,
                      "{}: the first update of parameter {} cannot be part of a captured step, as the later "
                      "ones differ from it",
                      kind_, batch.first);
  const Values& input = capture->find_or_add<Values>(&states_[batch.first], count, *this, index, batch.first,
                                                     std::move(formula));
  return static_cast<const double*>(input.values().raw_data());
}

std::vector<Optimizer::Batch> Optimizer::next_batches(std::size_t index, bool with_state) {
  std::size_t first_state = 0;
  for (std::size_t g = 0; g < index; ++g) first_state += groups_[g].parameters.size();
  const ParameterGroup& group = groups_[index];
  check_group(kind_, group);
  if (Capture* const capture = Capture::current()) {
    check<CaptureError>(capture->find(&group) == nullptr, "{}: a captured step makes one optimizer step",
                        kind_);
    capture->find_or_add<Updates>(&group, 0, *this, first_state, group.parameters.size());
  }

  std::vector<Batch> batches;
  for (std::size_t i = 0; i < group.parameters.size(); ++i) {
    const Tensor& parameter = group.parameters[i];
    if (!parameter.grad().defined()) continue;
    State& state = states_.at(first_state + i);
    if (with_state && state.tensors.empty()) {
      for (std::size_t name = 0; name < state_names_.size(); ++name)
        state.tensors.push_back(empty_like(parameter));
    }
    for (const Tensor& tensor : state.tensors) {
      check<DeviceError>(
          tensor.device() == parameter.device(),
          "{}: parameter {} moved from {} to {} after its first update; move a model before that", kind_,
          first_state + i, tensor.device(), parameter.device());
      check<DTypeError>(
          tensor.dtype() == parameter.dtype(),
          "{}: parameter {} changed from {} to {} after its first update; cast a model before that", kind_,
          first_state + i, tensor.dtype(), parameter.dtype());
    }
    if (with_state) ++state.step;

    auto batch = std::ranges::find_if(batches, [&](const Batch& other) {
      const Tensor& same = other.parameters.front();
      return other.step == state.step && same.dtype() == parameter.dtype() &&
             same.device() == parameter.device();
    });
    if (batch == batches.end()) {
      batch = batches.emplace(batch);
      batch->step = state.step;
      batch->first = first_state + i;
      batch->states.resize(with_state ? state_names_.size() : 0);
    }
    batch->parameters.push_back(parameter);
    batch->grads.push_back(parameter.grad());
    for (std::size_t name = 0; name < batch->states.size(); ++name) {
      batch->states[name].push_back(state.tensors[name]);
    }
  }
  return batches;
}

OptimizerState Optimizer::state_dict() const {
  OptimizerState result;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    for (std::size_t name = 0; name < state.tensors.size(); ++name) {
      result.tensors.push_back({fmt::format("state.{}.{}", i, state_names_[name]), state.tensors[name]});
    }
    if (state.step > 0)
      result.scalars.push_back({fmt::format("state.{}.step", i), static_cast<double>(state.step)});
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    result.scalars.push_back({fmt::format("groups.{}.lr", g), groups_[g].lr});
    result.scalars.push_back({fmt::format("groups.{}.weight_decay", g), groups_[g].weight_decay});
  }
  for (NamedScalar& option : options()) result.scalars.push_back(std::move(option));
  return result;
}

void Optimizer::load_state_dict(const OptimizerState& saved) {
  Names<Tensor> tensors;
  Names<double> scalars;
  for (const NamedTensor& tensor : saved.tensors) tensors.add(kind_, tensor.name, tensor.tensor);
  for (const NamedScalar& scalar : saved.scalars) scalars.add(kind_, scalar.name, scalar.value);
  std::vector<std::string> missing;

  // Everything is taken and checked first, then copied, and replaces what is there at the very end.
  std::vector<ParameterGroup> groups = groups_;
  std::vector<Tensor> parameters;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups[g].lr = scalars.take(fmt::format("groups.{}.lr", g), missing);
    groups[g].weight_decay = scalars.take(fmt::format("groups.{}.weight_decay", g), missing);
    parameters.insert(parameters.end(), groups[g].parameters.begin(), groups[g].parameters.end());
  }
  std::vector<State> states(parameters.size());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const std::string prefix = fmt::format("state.{}.", i);
    const bool updated =
        scalars.has(prefix + "step") ||
        std::ranges::any_of(state_names_, [&](const char* state) { return tensors.has(prefix + state); });
    if (!updated) continue;
    const double step = scalars.take(prefix + "step", missing);
    for (const char* state : state_names_) states[i].tensors.push_back(tensors.take(prefix + state, missing));
    if (!missing.empty()) continue;
    check<ValueError>(step >= 1 && step <= 0x1p53 && std::floor(step) == step,
                      "{}: expected {}step to be a positive whole number, got {}", kind_, prefix, step);
    states[i].step = static_cast<std::int64_t>(step);
    for (const Tensor& tensor : states[i].tensors) {
      check<ShapeError>(tensor.shape() == parameters[i].shape(),
                        "{}: expected the state of parameter {} to be {}, got {}", kind_, i,
                        parameters[i].shape(), tensor.shape());
      check<DTypeError>(tensor.dtype() == parameters[i].dtype(),
                        "{}: expected the state of parameter {} to be {}, got {}", kind_, i,
                        parameters[i].dtype(), tensor.dtype());
    }
  }
  std::vector<double> values;
  for (const NamedScalar& option : options()) values.push_back(scalars.take(option.name, missing));

  std::vector<std::string> unexpected;
  tensors.list(unexpected);
  scalars.list(unexpected);
  check<ValueError>(missing.empty() && unexpected.empty(),
                    "{}: the saved state is of another optimizer. Missing: {}. Unexpected: {}", kind_,
                    joined(missing), joined(unexpected));
  for (const ParameterGroup& group : groups) check_group(kind_, group);
  for (std::size_t i = 0; i < states.size(); ++i) {
    for (Tensor& tensor : states[i].tensors) {
      Tensor copy = empty_like(parameters[i]);
      copy.copy_from(tensor);
      tensor = copy;
    }
  }
  set_options(values);
  groups_ = std::move(groups);
  states_ = std::move(states);
  ++loads_;
}

namespace detail {

std::vector<GroupOptions> one_group(std::vector<Tensor> parameters) {
  std::vector<GroupOptions> groups(1);
  groups[0].parameters = std::move(parameters);
  return groups;
}

void check_setting(const char* optimizer, const char* setting, double value) {
  check<ValueError>(std::isfinite(value) && value >= 0,
                    "{}: expected {} to be finite and not negative, got {}", optimizer, setting, value);
}

void check_fraction(const char* optimizer, const char* setting, double value) {
  check<ValueError>(value >= 0 && value < 1, "{}: expected {} to be at least 0 and less than 1, got {}",
                    optimizer, setting, value);
}

}  // namespace detail
}  // namespace gnn
