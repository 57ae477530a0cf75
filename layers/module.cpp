#include "gnn/layers/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/layers/copy.h"

namespace gnn {

/// What all handles of a module share.
struct ModuleState {
  std::string kind;
  std::string name;
  bool training = true;
  std::vector<NamedTensor> parameters;
  std::vector<NamedTensor> buffers;
  std::vector<std::pair<std::string, std::shared_ptr<ModuleState>>> children;
};

namespace {

thread_local ForwardObserver* innermost_observer = nullptr;

enum Kinds : unsigned { parameters_only = 1, buffers_only = 2, all_tensors = 3 };

/// Tensors of the tree below `state` in order of registration, their names behind `prefix`.
void collect(const ModuleState& state, Kinds kinds, const std::string& prefix,
             std::vector<NamedTensor>& found) {
  if (kinds & parameters_only) {
    for (const NamedTensor& entry : state.parameters) found.push_back({prefix + entry.name, entry.tensor});
  }
  if (kinds & buffers_only) {
    for (const NamedTensor& entry : state.buffers) found.push_back({prefix + entry.name, entry.tensor});
  }
  for (const auto& [name, child] : state.children) collect(*child, kinds, prefix + name + ".", found);
}

std::vector<NamedTensor> collect(const ModuleState& state, Kinds kinds) {
  std::vector<NamedTensor> found;
  collect(state, kinds, "", found);
  return found;
}

/// The same, without the later names of a tensor that is registered more than once.
std::vector<NamedTensor> collect_once(const ModuleState& state, Kinds kinds) {
  std::vector<NamedTensor> unique;
  for (NamedTensor& entry : collect(state, kinds)) {
    const bool seen = std::any_of(unique.begin(), unique.end(), [&](const NamedTensor& other) {
      return other.tensor.is_same(entry.tensor);
    });
    if (!seen) unique.push_back(std::move(entry));
  }
  return unique;
}

void set_training(ModuleState& state, bool on) {
  state.training = on;
  for (const auto& [name, child] : state.children) set_training(*child, on);
}

void collect_modes(const std::shared_ptr<ModuleState>& state,
                   std::vector<std::pair<std::shared_ptr<ModuleState>, bool>>& modes) {
  modes.emplace_back(state, state->training);
  for (const auto& [name, child] : state->children) collect_modes(child, modes);
}

bool contains(const ModuleState& tree, const ModuleState& state) {
  return &tree == &state || std::any_of(tree.children.begin(), tree.children.end(),
                                        [&](const auto& child) { return contains(*child.second, state); });
}

void check_new_name(const ModuleState& state, const std::string& name) {
  check<ValueError>(!name.empty(), "{}: the name of a parameter, buffer or child is empty", state.kind);
  check<ValueError>(name.find('.') == std::string::npos,
                    "{}: the name \"{}\" has a dot, which separates the parts of a path", state.kind, name);
  const auto same = [&](const NamedTensor& entry) { return entry.name == name; };
  const bool taken = std::any_of(state.parameters.begin(), state.parameters.end(), same) ||
                     std::any_of(state.buffers.begin(), state.buffers.end(), same) ||
                     std::any_of(state.children.begin(), state.children.end(),
                                 [&](const auto& child) { return child.first == name; });
  check<ValueError>(!taken, "{}: the name \"{}\" is taken", state.kind, name);
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

ForwardObserver::ForwardObserver() : outer_(innermost_observer) {
  innermost_observer = this;
}
ForwardObserver::~ForwardObserver() {
  innermost_observer = outer_;
}
bool ForwardObserver::active() {
  return innermost_observer != nullptr;
}
void ForwardObserver::before(const Module&, const Tensor&) {}
void ForwardObserver::after(const Module&, const Tensor&, const Tensor&) {}

Module::Module(std::string kind) : state_(std::make_shared<ModuleState>()) {
  state_->kind = std::move(kind);
}
Module::~Module() = default;
Module::Module(const Module&) = default;
Module& Module::operator=(const Module&) = default;
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;

Tensor Module::operator()(const Tensor& input) {
  const std::shared_ptr<ModuleState> state =
      state_;  // keeps the name alive should forward() replace this handle
  std::optional<LayerScope> scope;
  if (!state->name.empty()) scope.emplace(state->name);
  for (ForwardObserver* o = innermost_observer; o != nullptr; o = o->outer_) o->before(*this, input);
  Tensor output = forward(input);
  for (ForwardObserver* o = innermost_observer; o != nullptr; o = o->outer_) o->after(*this, input, output);
  return output;
}

const std::string& Module::kind() const {
  return state_->kind;
}
const std::string& Module::name() const {
  return state_->name;
}
std::string Module::describe() const {
  return {};
}
std::int64_t Module::flops(const Shape&, const Shape&) const {
  return 0;
}

std::vector<NamedTensor> Module::named_parameters() const {
  return collect_once(*state_, parameters_only);
}
std::vector<NamedTensor> Module::named_buffers() const {
  return collect_once(*state_, buffers_only);
}
std::vector<NamedTensor> Module::state_dict() const {
  return collect(*state_, all_tensors);
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> tensors;
  for (NamedTensor& entry : named_parameters()) tensors.push_back(std::move(entry.tensor));
  return tensors;
}

void Module::load_state_dict(const std::vector<NamedTensor>& state) {
  std::map<std::string, Tensor> given;
  std::vector<std::string> repeated;
  for (const NamedTensor& entry : state) {
    check<ValueError>(entry.tensor.defined(), "load_state_dict: the tensor \"{}\" is undefined", entry.name);
    if (!given.emplace(entry.name, entry.tensor).second) repeated.push_back(entry.name);
  }

  const std::vector<NamedTensor> targets = state_dict();
  std::vector<std::string> missing;
  for (const NamedTensor& target : targets) {
    if (!given.contains(target.name)) missing.push_back(target.name);
  }
  std::vector<std::string> unexpected;
  for (const NamedTensor& entry : state) {
    const bool known = std::any_of(targets.begin(), targets.end(),
                                   [&](const NamedTensor& target) { return target.name == entry.name; });
    if (!known) unexpected.push_back(entry.name);
  }
  if (!missing.empty() || !unexpected.empty() || !repeated.empty()) {
    std::string problems;
    if (!missing.empty()) problems += fmt::format("; missing: {}", joined(missing));
    if (!unexpected.empty()) problems += fmt::format("; unexpected: {}", joined(unexpected));
    if (!repeated.empty()) problems += fmt::format("; repeated: {}", joined(repeated));
    fail<ValueError>("load_state_dict: the names do not fit {}{}", kind(), problems);
  }

  for (const NamedTensor& target : targets) {
    const Tensor& source = given.at(target.name);
    check<ShapeError>(source.shape() == target.tensor.shape(),
                      "load_state_dict: expected {} for \"{}\", got {}", target.tensor.shape(), target.name,
                      source.shape());
    check<DTypeError>(source.dtype() == target.tensor.dtype(),
                      "load_state_dict: expected {} for \"{}\", got {}", target.tensor.dtype(), target.name,
                      source.dtype());
  }
  for (const NamedTensor& target : targets) {
    if (target.tensor.is_same(given.at(target.name))) continue;
    Tensor tensor = target.tensor;
    tensor.copy_from(given.at(target.name));
  }
}

void Module::train(bool on) {
  set_training(*state_, on);
}
bool Module::is_training() const {
  return state_->training;
}

void Module::to(Device device) {
  for (NamedTensor& entry : collect_once(*state_, all_tensors)) {
    if (entry.tensor.device() != device) entry.tensor.set_data(gnn::to(entry.tensor.detach(), device));
  }
}

void Module::to(DType dtype) {
  check<DTypeError>(is_floating(dtype), "{}: expected a floating dtype for its parameters, got {}", kind(),
                    dtype);
  for (NamedTensor& entry : collect_once(*state_, all_tensors)) {
    const DType now = entry.tensor.dtype();
    if (is_floating(now) && now != dtype) entry.tensor.set_data(gnn::to(entry.tensor.detach(), dtype));
  }
}

void Module::zero_grad() {
  for (Tensor& tensor : parameters()) tensor.set_grad({});
}

Tensor Module::parameter(std::string name, Tensor value) {
  if (!value.defined()) return value;
  check_new_name(*state_, name);
  value.set_requires_grad();
  state_->parameters.push_back({std::move(name), value});
  return value;
}

Tensor Module::buffer(std::string name, Tensor value) {
  if (!value.defined()) return value;
  check_new_name(*state_, name);
  state_->buffers.push_back({std::move(name), value});
  return value;
}

void Module::adopt(std::string name, const Module& module) {
  check_new_name(*state_, name);
  check<ValueError>(!contains(*module.state_, *state_), "{}: the child \"{}\" contains its parent", kind(),
                    name);
  module.state_->name = name;
  state_->children.emplace_back(std::move(name), module.state_);
}

ModeScope::ModeScope(Module& module, bool training) {
  collect_modes(module.state_, previous_);
  module.train(training);
}

ModeScope::~ModeScope() {
  for (const auto& [state, training] : previous_) state->training = training;
}

}  // namespace gnn
