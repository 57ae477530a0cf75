// The tape as Python sees it: switching it off, operations written in Python, hooks.

#include <memory>
#include <mutex>
#include <set>

#include "bindings.h"
#include "gnn/core/tensor_impl.h"

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

/// Records a new handle of the result: with a history of its own it could be its own ancestor.
Tensor record_python(const std::string& op, const Tensor& result, const std::vector<Tensor>& inputs,
                     const PythonBackward& backward) {
  const char* const name = kept_name(op);
  return record(name, result.detach(), inputs,
                [backward, name, count = inputs.size()](const Tensor& grad, Gradients& grads) {
                  std::vector<bool> needed(count);
                  for (std::size_t i = 0; i < count; ++i) needed[i] = grads.needed(i);
                  const std::vector<std::optional<Tensor>> values = backward(grad, needed);
                  if (values.size() != count)
                    throw ValueError(std::string(name) + ": backward returned " +
                                     std::to_string(values.size()) + " gradients for " +
                                     std::to_string(count) + " tensors");
                  for (std::size_t i = 0; i < count; ++i)
                    if (needed[i] && values[i]) grads.set(i, values[i]->detach());
                });
}

/// A Python function as a hook. Copies, which backward() makes without the GIL, share it.
class PythonHook {
 public:
  using Function = std::function<nb::object(const Tensor&)>;

  explicit PythonHook(nb::handle function)
      : object_(function.ptr()), call_(std::make_shared<const Function>(nb::cast<Function>(function))) {}

  Tensor operator()(const Tensor& grad) const {
    const nb::gil_scoped_acquire acquired;
    const nb::object result = (*call_)(grad);
    std::optional<Tensor> replacement;
    if (!result.is_none() && !nb::try_cast(result, replacement, false)) {
      const std::string got = nb::str(result.type().attr("__name__")).c_str();
      throw nb::type_error(("a hook returns a tensor or None, got " + got).c_str());
    }
    return or_undefined(replacement);
  }
  /// The Python function, when nothing else holds this hook.
  PyObject* owned() const { return call_.use_count() == 1 ? object_ : nullptr; }

 private:
  PyObject* object_;  // which call_ keeps alive, and takes the GIL for
  std::shared_ptr<const Function> call_;
};

/// A hook of a tensor, which Python can take off again.
struct HookHandle {
  std::weak_ptr<TensorImpl> tensor;
  std::optional<int> id;
  void remove() {
    const std::shared_ptr<TensorImpl> impl = tensor.lock();
    if (impl != nullptr && id) TensorAccess::wrap(impl).remove_hook(*id);
    id.reset();
  }
};

/// The tensor of a Python object when no other handle has it: then what it owns is the object's.
Tensor* sole_handle(PyObject* self) {
  if (!nb::inst_ready(self)) return nullptr;
  Tensor* const tensor = nb::inst_ptr<Tensor>(self);
  return TensorAccess::impl(*tensor).use_count() == 1 ? tensor : nullptr;
}

}  // namespace

int traverse_tensor(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const Tensor* const tensor = sole_handle(self);
  if (tensor == nullptr) return 0;
  for (const auto& [id, hook] : TensorAccess::impl(*tensor)->autograd.hooks) {
    if (const auto* python = hook.target<PythonHook>(); python != nullptr) Py_VISIT(python->owned());
  }
  return 0;
}

int clear_tensor(PyObject* self) {
  const Tensor* const tensor = sole_handle(self);
  // Swapped first: what the functions own may look at the tensor when it goes.
  if (tensor != nullptr) decltype(AutogradMeta::hooks)().swap(TensorAccess::impl(*tensor)->autograd.hooks);
  return 0;
}

void bind_autograd(nb::module_& m) {
  m.def("is_grad_enabled", &grad_enabled, "True unless the tape is off in this thread.");
  m.def("_set_grad_enabled", &set_grad_enabled, "on"_a,
        "Switches the tape of this thread on or off; returns what it was.");
  m.def("_record", &record_python, "op"_a, "result"_a, "inputs"_a, "backward"_a,
        nb::sig("def _record(op: str, result: Tensor, inputs: list[Tensor], "
                "backward: collections.abc.Callable[[Tensor, list[bool]], list[Tensor | None]]) -> Tensor"),
        "The value of `result`, recorded as computed from `inputs`; backward(grad, needed) returns their "
        "gradients.");

  nb::class_<HookHandle> handle(m, "HookHandle", "What Tensor.register_hook() returns.");
  handle.def("remove", &HookHandle::remove, "Takes the hook off; a second call has no effect.");
  nb::class_<Tensor> tensor = nb::borrow<nb::class_<Tensor>>(m.attr("Tensor"));
  tensor.def(
      "register_hook",
      [](Tensor& self, const nb::callable& hook) {
        return HookHandle{TensorAccess::impl(self), self.register_hook(PythonHook(hook))};
      },
      "hook"_a,
      nb::sig(
          "def register_hook(self, hook: collections.abc.Callable[[Tensor], Tensor | None]) -> HookHandle"),
      "Calls hook(grad) whenever a backward() has completed the gradient of this leaf; a tensor that it "
      "returns "
      "replaces the gradient. Returns a handle with remove().\n\nRaises AutogradError unless it is a leaf "
      "that "
      "requires a gradient.");
}

}  // namespace gnn::python
