#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gnn/layers/module.h"

namespace gnn {

/// A class of modules, or a reference to one.
template <class M>
concept ModuleClass = std::derived_from<std::remove_cvref_t<M>, Module>;

/// A module and the name it is to have: Sequential{{"conv", Conv2d(1, 20, 5)}, {"pool", MaxPool2d(2)}}.
struct NamedModule {
  template <std::derived_from<Module> M>
  NamedModule(std::string child_name, M child)
      : name(std::move(child_name)), module(std::make_shared<M>(std::move(child))) {}

  std::string name;
  std::shared_ptr<Module> module;
};

/// Runs modules one after the other. They are named "0", "1", … unless a name is given, as in PyTorch:
///
///   Sequential net{Conv2d(1, 20, 5), MaxPool2d(2), Flatten(), Linear(2880, 10)};
///
/// (in braces: `Sequential net(ReLU());` would declare a function). Like every module it is a handle: what is
/// appended to a copy is appended to the original. An empty Sequential returns its input.
class GNN_API Sequential : public Module {
  template <class... Modules>
  static constexpr bool is_copy = sizeof...(Modules) == 1 &&
                                  (std::same_as<std::remove_cvref_t<Modules>, Sequential> && ...);

 public:
  Sequential();
  /// One argument that is itself a Sequential is copied; to nest it, use push_back.
  template <ModuleClass... Modules>
  requires(sizeof...(Modules) > 0 && !is_copy<Modules...>) explicit Sequential(Modules&&... modules)
      : Sequential() {
    (push_back(std::forward<Modules>(modules)), ...);
  }
  Sequential(std::initializer_list<NamedModule> modules);

  /// Appends a module under the name of its position, or under `name`. Throws ValueError for a name that is
  /// taken, empty or has a dot.
  template <ModuleClass M>
  Sequential& push_back(M&& module) {
    return push_back(std::to_string(size()), std::forward<M>(module));
  }
  template <ModuleClass M>
  Sequential& push_back(std::string name, M&& module) {
    return append(std::move(name), std::make_shared<std::remove_cvref_t<M>>(std::forward<M>(module)));
  }

  Tensor forward(const Tensor& input) override;

  std::size_t size() const { return modules_->size(); }
  /// The module at a position; throws IndexError past the end.
  Module& operator[](std::size_t index) const;

 protected:
  struct Kind {
    const char* name;
  };
  /// For derived classes, which are another kind of module.
  explicit Sequential(Kind kind);

 private:
  Sequential& append(std::string name, std::shared_ptr<Module> module);

  std::shared_ptr<std::vector<std::shared_ptr<Module>>> modules_;
};

}  // namespace gnn
