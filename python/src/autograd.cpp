// The tape as Python sees it: switching it off, operations written in Python, hooks.

#include <memory>
#include <mutex>
#include <set>

#include "bindings.h"

namespace gnn::python {
namespace {

/// The tape keeps the names of operations as pointers: these live as long as the program.
const char* kept_name(const std::string& name) {
  static std::mutex mutex;
  static std::set<std::string>* const names = new std::set<std::string>;
  const std::scoped_lock lock(mutex);
  return names->insert(name).first->c_str();
}

/// What Python gives back for the gradients of the inputs; None for those that need none.
using PythonBackward =
    std::function<std::vector<std::optional<Tensor>>(const Tensor&, const std::vector<bool>&)>;

Tensor record_python(const std::string& op, const Tensor& result, const std::vector<Tensor>& inputs,
                     const PythonBackward& backward) {
  const char* const name = kept_name(op);
  return record(
      name, result, inputs, [backward, name, count = inputs.size()](const Tensor& grad, Gradients& grads) {
        std::vector<bool> needed(count);
        for (std::size_t i = 0; i < count; ++i) needed[i] = grads.needed(i);
        const std::vector<std::optional<Tensor>> values = backward(grad, needed);
        if (values.size() != count)
          throw ValueError(std::string(name) + ": backward returned " + std::to_string(values.size()) +
                           " gradients for " + std::to_string(count) + " tensors");
        for (std::size_t i = 0; i < count; ++i)
          if (needed[i] && values[i]) grads.set(i, values[i]->detach());
      });
}

/// A hook of a tensor, which Python can take off again.
struct HookHandle {
  Tensor tensor;
  std::optional<int> id;
  void remove() {
    if (id) tensor.remove_hook(*id);
    id.reset();
  }
};

}  // namespace

void bind_autograd(nb::module_& m) {
  m.def("is_grad_enabled", &grad_enabled, "True unless the tape is off in this thread.");
  m.def("_set_grad_enabled", &set_grad_enabled, "on"_a,
        "Switches the tape of this thread on or off; returns what it was.");
  m.def("_record", &record_python, "op"_a, "result"_a, "inputs"_a, "backward"_a,
        nb::sig("def _record(op: str, result: Tensor, inputs: list[Tensor], "
                "backward: collections.abc.Callable[[Tensor, list[bool]], list[Tensor | None]]) -> Tensor"),
        "Records that `result` was computed from `inputs`; backward(grad, needed) returns their gradients.");

  nb::class_<HookHandle> handle(m, "HookHandle", "What Tensor.register_hook() returns.");
  handle.def("remove", &HookHandle::remove, "Takes the hook off; a second call has no effect.");
  nb::class_<Tensor> tensor = nb::borrow<nb::class_<Tensor>>(m.attr("Tensor"));
  tensor.def(
      "register_hook",
      [](Tensor& self, std::function<std::optional<Tensor>(const Tensor&)> hook) {
        const int id = self.register_hook(
            [hook = std::move(hook)](const Tensor& grad) { return or_undefined(hook(grad)); });
        return HookHandle{self, id};
      },
      "hook"_a,
      "Calls hook(grad) whenever a backward() has completed the gradient of this leaf; a tensor that it "
      "returns "
      "replaces the gradient. Returns a handle with remove().\n\nRaises AutogradError unless it is a leaf "
      "that "
      "requires a gradient.");
}

}  // namespace gnn::python
