#include "gnn/layers/sequential.h"

#include "gnn/core/check.h"
#include "gnn/layers/chain.h"

namespace gnn {

Sequential::Sequential() : Sequential(Kind{"Sequential"}) {}

Sequential::Sequential(Kind kind)
    : Module(kind.name), modules_(std::make_shared<std::vector<std::shared_ptr<Module>>>()) {}

Sequential::Sequential(std::initializer_list<NamedModule> modules) : Sequential() {
  for (const NamedModule& entry : modules) append(entry.name, entry.module);
}

Sequential& Sequential::append(std::string name, std::shared_ptr<Module> module) {
  adopt(std::move(name), *module);
  modules_->push_back(std::move(module));
  return *this;
}

Tensor Sequential::forward(const Tensor& input) {
  // Copies: a module may append to its own Sequential while it runs.
  const std::vector<std::shared_ptr<Module>> modules = *modules_;
  std::vector<Module*> list;
  for (const std::shared_ptr<Module>& module : modules) list.push_back(module.get());
  return chain(input, list);
}

Module& Sequential::operator[](std::size_t index) const {
  check<IndexError>(index < size(), "Sequential: there is no module {}, there are {}", index, size());
  return *(*modules_)[index];
}

}  // namespace gnn
