// The class libgnn.Tensor: what a tensor is, conversions, gradients. Indexing, operators and exchange with
// NumPy are in files of their own.

#include <array>

#include "bindings.h"

namespace gnn::python {
namespace {

nb::tuple shape_of(const Tensor& tensor) {
  const Shape& shape = tensor.shape();
  nb::list sizes;
  for (const std::int64_t size : shape) sizes.append(size);
  return nb::tuple(sizes);
}

/// The only element: a float, or an int of the integer dtypes.
nb::object item(const Tensor& tensor) {
  if (tensor.dtype() == DType::int64 && tensor.numel() == 1) {
    const std::int64_t value = [&] {
      nb::gil_scoped_release released;
      return tensor.to_vector<std::int64_t>().front();
    }();
    return nb::int_(value);
  }
  const double value = [&] {
    nb::gil_scoped_release released;
    return tensor.item();
  }();
  if (is_floating(tensor.dtype())) return nb::float_(value);
  return nb::int_(static_cast<std::int64_t>(value));
}

template <class T, class Convert>
nb::object nested(const Shape& shape, std::size_t axis, const T*& next, Convert convert) {
  if (axis == shape.dim()) return nb::object(convert(*next++));
  nb::list list;
  for (std::int64_t i = 0; i < shape[axis]; ++i) list.append(nested(shape, axis + 1, next, convert));
  return list;
}

nb::object tolist(const Tensor& tensor) {
  if (tensor.dtype() == DType::int64) {
    const auto values = tensor.to_vector<std::int64_t>();
    const std::int64_t* next = values.data();
    return nested(tensor.shape(), 0, next, [](std::int64_t value) { return nb::int_(value); });
  }
  const std::vector<double> values = tensor.to_doubles();
  const double* next = values.data();
  if (is_floating(tensor.dtype()))
    return nested(tensor.shape(), 0, next, [](double value) { return nb::float_(value); });
  return nested(tensor.shape(), 0, next,
                [](double value) { return nb::int_(static_cast<std::int64_t>(value)); });
}

/// to(dtype), to(device), to(tensor), to(device, dtype), by position or name.
Tensor to_any(const Tensor& self, const nb::args& args, std::optional<DeviceLike> device,
              std::optional<DType> dtype) {
  for (const nb::handle argument : args) {
    DeviceLike device_argument;
    DType dtype_argument{};
    Tensor tensor_argument;
    if (nb::try_cast(argument, dtype_argument, false)) {
      dtype = dtype_argument;
    } else if (nb::try_cast(argument, device_argument, false)) {
      device = device_argument;
    } else if (nb::try_cast(argument, tensor_argument, false)) {
      dtype = tensor_argument.dtype();
      device = DeviceLike{tensor_argument.device()};
    } else {
      const std::string got = nb::repr(argument).c_str();
      throw nb::type_error(("to: expected a dtype, a device or a tensor, got " + got).c_str());
    }
  }
  const std::optional<Device> target = device ? std::optional<Device>(device->get()) : std::nullopt;
  nb::gil_scoped_release released;
  Tensor result = self;
  if (dtype) result = to(result, *dtype);
  if (target) result = to(result, *target);
  return result;
}

void bind_attributes(nb::class_<Tensor>& tensor) {
  tensor.def_prop_ro("shape", &shape_of, nb::sig("def shape(self) -> tuple[int, ...]"),
                     "The sizes of the dimensions, outermost first; () for a scalar.");
  tensor.def_prop_ro("ndim", &Tensor::dim, "Number of dimensions.");
  tensor.def_prop_ro("dtype", &Tensor::dtype, "Type of the elements: libgnn.float32, ...");
  tensor.def_prop_ro("device", &Tensor::device, "Where the elements are.");
  tensor.def_prop_ro("is_cuda", [](const Tensor& self) { return self.device().is_cuda(); });
  tensor.def_prop_ro("nbytes", &Tensor::nbytes, "Bytes of the elements.");
  tensor.def_prop_ro("_version", &Tensor::version, "Number of in-place changes to the memory so far.");
  tensor.def("dim", &Tensor::dim, "Number of dimensions.");
  tensor.def("numel", &Tensor::numel, "Number of elements.");
  tensor.def(
      "element_size", [](const Tensor& self) { return size_of(self.dtype()); }, "Bytes per element.");
  tensor.def(
      "data_ptr", [](const Tensor& self) { return reinterpret_cast<std::uintptr_t>(self.raw_data()); },
      "Address of the first element, in host or device memory; 0 for an empty tensor.");
  tensor.def("size", &shape_of, nb::sig("def size(self) -> tuple[int, ...]"), "The same as shape.");
  tensor.def("size", &Tensor::size, "dim"_a, "Size of one dimension. Raises IndexError out of range.");
  tensor.def("is_same", &Tensor::is_same, "other"_a,
             "True when both are the same tensor, not only equal ones.");
  tensor.def("__len__", [](const Tensor& self) {
    if (self.dim() == 0) throw nb::type_error("len() of a tensor without dimensions");
    return self.size(0);
  });
}

void bind_values(nb::class_<Tensor>& tensor) {
  tensor.def("item", &item, nb::sig("def item(self) -> float | int"),
             "The only element as a Python number; waits for the device.\n\n"
             "Raises ValueError unless there is exactly one.");
  tensor.def("tolist", &tolist, nb::sig("def tolist(self) -> typing.Any"),
             "The elements as nested lists, a scalar as a number; waits for the device.");
  tensor.def("__float__", [](const Tensor& self) { return self.item(); });
  // int() of the number, which refuses NaN and infinity.
  tensor.def("__int__", [](const Tensor& self) { return nb::int_(item(self)); });
  tensor.def("__index__", [](const Tensor& self) {
    if (is_floating(self.dtype()) || self.numel() != 1)
      throw nb::type_error("only a tensor of one whole number is an index; see int(tensor)");
    return nb::int_(item(self));
  });
  tensor.def("__bool__", [](const Tensor& self) {
    if (self.numel() != 1)
      throw ShapeError("bool: a tensor is true or false only when it has one element, got shape " +
                       self.shape().to_string() + "; use len(tensor) or tensor.numel() to ask for elements");
    return self.item() != 0;
  });
  tensor.def(
      "__format__",
      [](const nb::object& self, const nb::str& specification) {
        const auto& value = nb::cast<const Tensor&>(self);
        const nb::object number = value.dim() == 0 ? item(value) : nb::object(nb::str(self));
        if (value.dim() != 0 && nb::len(specification) > 0)
          throw nb::type_error("only a tensor without dimensions takes a format, as the number that it is");
        return nb::steal<nb::str>(PyObject_Format(number.ptr(), specification.ptr()));
      },
      "specification"_a);
  tensor.def("__repr__", [](const nb::object& self) {
    return nb::str(nb::module_::import_("libgnn._repr").attr("tensor_repr")(self));
  });
  tensor.def("__reduce__", [](const Tensor&) -> nb::str {
    throw nb::type_error(
        "a libgnn.Tensor cannot be pickled; libgnn.save and libgnn.load keep tensors in files");
  });
  tensor.def(
      "__copy__", [](Tensor& self) -> Tensor& { return self; }, nb::rv_policy::none);
  tensor.def(
      "__deepcopy__",
      [](const nb::object& self, const nb::typed<nb::dict, int, nb::object>& memo) {
        const auto& original = nb::cast<const Tensor&>(self);
        if (!original.is_leaf())
          throw AutogradError("deepcopy: only leaves of the tape can be copied; detach() the tensor first");
        Tensor copy = clone(original.detach());
        copy.set_requires_grad(original.requires_grad());
        nb::object result = self.attr("__class__")(copy);
        memo[nb::int_(reinterpret_cast<std::uintptr_t>(self.ptr()))] = result;
        return result;
      },
      "memo"_a);
}

void bind_conversions(nb::class_<Tensor>& tensor) {
  tensor.def(
      "to", &to_any, "args"_a, nb::kw_only(), "device"_a = nb::none(), "dtype"_a = nb::none(),
      nb::sig("def to(self, *args: libgnn._core.dtype | libgnn._core.device | str | Tensor, "
              "device: libgnn._core.device | str | None = None, dtype: libgnn._core.dtype | None = None) -> "
              "Tensor"),
      "The tensor with another dtype, on another device, or as another tensor is: to(libgnn.float64), "
      "to('cuda'), to('cuda', libgnn.float32), to(other). Itself when nothing changes. Differentiable.");
  tensor.def(
      "cpu", [](const Tensor& self) { return to(self, Device::cpu()); }, releases_gil());
  tensor.def(
      "cuda", [](const Tensor& self) { return to(self, Device::parse("cuda")); }, releases_gil());
  tensor.def(
      "float", [](const Tensor& self) { return to(self, DType::float32); }, releases_gil());
  tensor.def(
      "double", [](const Tensor& self) { return to(self, DType::float64); }, releases_gil());
  tensor.def(
      "half", [](const Tensor& self) { return to(self, DType::float16); }, releases_gil());
  tensor.def(
      "bfloat16", [](const Tensor& self) { return to(self, DType::bfloat16); }, releases_gil());
  tensor.def(
      "int", [](const Tensor& self) { return to(self, DType::int32); }, releases_gil());
  tensor.def(
      "long", [](const Tensor& self) { return to(self, DType::int64); }, releases_gil());
  tensor.def(
      "clone", [](const Tensor& self) { return clone(self); }, releases_gil(), "A copy. Differentiable.");
  tensor.def(
      "contiguous", [](Tensor& self) -> Tensor& { return self; }, nb::rv_policy::none,
      "Itself: tensors are contiguous, always.");
  tensor.def("is_contiguous", [](const Tensor&) { return true; });
  tensor.def(
      "_set_data", &Tensor::set_data, "other"_a, releases_gil(),
      "Makes this tensor, for all handles, hold the memory, dtype and device of another of its shape.");
}

void bind_gradients(nb::class_<Tensor>& tensor) {
  tensor.def_prop_rw(
      "requires_grad", &Tensor::requires_grad, [](Tensor& self, bool on) { self.set_requires_grad(on); },
      "True when gradients flow through this tensor.");
  tensor.def_prop_ro("is_leaf", &Tensor::is_leaf,
                     "True for a tensor that is not the recorded result of an operation.");
  tensor.def_prop_rw(
      "grad", [](const Tensor& self) { return or_none(self.grad()); },
      [](Tensor& self, const std::optional<Tensor>& grad) { self.set_grad(or_undefined(grad)); },
      nb::for_setter(nb::arg("grad").none()),
      "The gradient collected by backward(); None when there is none.");
  tensor.def(
      "requires_grad_",
      [](Tensor& self, bool requires_grad) -> Tensor& { return self.set_requires_grad(requires_grad); },
      "requires_grad"_a = true, nb::rv_policy::none,
      "Makes a leaf collect a gradient, or not; returns itself.\n\n"
      "Raises AutogradError for the result of an operation, DTypeError for integers.");
  tensor.def("detach", &Tensor::detach, "The same memory without history: a constant for the tape.");
  tensor.def(
      "backward",
      [](const Tensor& self, const std::optional<Tensor>& gradient, bool retain_graph) {
        self.backward(or_undefined(gradient), retain_graph);
      },
      "gradient"_a = nb::none(), "retain_graph"_a = false, releases_gil(),
      "Computes the gradient of this tensor with respect to every leaf it was computed from, and adds it to "
      "their "
      "grad.\n\ngradient is the gradient of this tensor itself, by default 1, which needs a tensor of one "
      "element. "
      "The tape is freed unless retain_graph. Raises AutogradError where there is nothing to compute, for a "
      "tape that "
      "was freed, and when a tensor that the tape needs was changed in place.");
}

}  // namespace

void bind_tensor(nb::module_& m) {
  static std::array slots{PyType_Slot{Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
                          PyType_Slot{Py_tp_traverse, reinterpret_cast<void*>(&traverse_tensor)},
                          PyType_Slot{Py_tp_clear, reinterpret_cast<void*>(&clear_tensor)},
                          PyType_Slot{0, nullptr}};
  nb::class_<Tensor> tensor(
      m, "Tensor", nb::is_weak_referenceable(), nb::type_slots(slots.data()),
      "An n-dimensional array on the CPU or a CUDA device, with reverse-mode gradients.\n\n"
      "Elements are row-major and contiguous, always. Views (reshape, indexing of leading dimensions) share "
      "memory "
      "and exist only where the result is contiguous; a transposition is a copy. Make one with "
      "libgnn.tensor(), "
      "zeros(), from_numpy(), ...");
  // What subclasses call: another handle of the same tensor.
  tensor.def(nb::init<const Tensor&>(), "tensor"_a);
  bind_attributes(tensor);
  bind_values(tensor);
  bind_conversions(tensor);
  bind_gradients(tensor);
  bind_indexing(tensor);
  bind_operators(m, tensor);
  bind_in_place(tensor);
  bind_exchange(m, tensor);
}

}  // namespace gnn::python
