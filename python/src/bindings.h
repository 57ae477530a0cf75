#pragma once

// What the binding files share: one bind_… function per file, called by module.cpp in this order, and the
// conversions of arguments.
//
// Functions that compute release the GIL (`releases_gil`), so that other Python threads run meanwhile;
// whatever touches a Python object inside of them takes it again (nb::gil_scoped_acquire; std::function
// arguments do so themselves).

#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "gnn/gnn.h"

namespace nb = nanobind;
using namespace nb::literals;  // NOLINT: "name"_a

namespace gnn::python {

using releases_gil = nb::call_guard<nb::gil_scoped_release>;

void bind_errors(nb::module_& m);
void bind_device(nb::module_& m);
void bind_tensor(nb::module_& m);
/// The buffer protocol of Tensor.
int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept;
/// The slots of a class that garbage collection only looks through.
inline std::array<PyType_Slot, 2> traversed_by(traverseproc traverse) {
  return {PyType_Slot{Py_tp_traverse, reinterpret_cast<void*>(traverse)}, PyType_Slot{0, nullptr}};
}
/// Garbage collection of Tensor: cycles through its hooks, which often are methods of the module it is in.
int traverse_tensor(PyObject* self, visitproc visit, void* arg);
int clear_tensor(PyObject* self);
void bind_exchange(nb::module_& m, nb::class_<Tensor>& tensor);
void bind_indexing(nb::class_<Tensor>& tensor);
void bind_operators(nb::module_& m, nb::class_<Tensor>& tensor);
void bind_in_place(nb::class_<Tensor>& tensor);
void bind_creation(nb::module_& m);
void bind_functional(nb::module_& m);
void bind_init(nb::module_& m);
void bind_autograd(nb::module_& m);
void bind_optim(nb::module_& m);
void bind_data(nb::module_& m);
void bind_trainer(nb::module_& m);
void bind_serialization(nb::module_& m);

/// A device argument: a libgnn.device or text like "cuda:0". The text is parsed when the function runs, so
/// that its errors are libgnn's.
struct DeviceLike {
  std::variant<Device, std::string> value;
  Device get() const {
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr ? std::get<Device>(value) : Device::parse(*text);
  }
};

/// Sizes given as f(2, 3) or f((2, 3)). Throws TypeError (a Python exception) for anything but whole numbers.
std::vector<std::int64_t> sizes_of(const nb::tuple& args, const char* function);

/// The options of a creation function: PyTorch's defaults.
TensorOptions options_of(std::optional<DType> dtype, const std::optional<DeviceLike>& device);

/// The same handle, which collects a gradient when asked to.
Tensor with_grad(Tensor tensor, bool requires_grad);

/// A number of Python's; throws TypeError or OverflowError (Python exceptions) for anything else.
inline double number_of(nb::handle object) {
  const double value = PyFloat_AsDouble(object.ptr());
  if (value == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
  return value;
}

/// The same for an element of a tensor. Throws ValueError for a whole number that int64 could hold and a
/// double cannot: the functions that fill tensors take doubles.
double element_of(nb::handle number, DType dtype);

/// A number of Python's own, or nested lists and tuples of them, as float64, int64, or uint8 of bools;
/// nothing for other data.
std::optional<Tensor> tensor_of_numbers(nb::handle data);

/// Without a copy where the data is a tensor, or an array, that is as it should be, else as tensor() does.
Tensor as_tensor(const nb::object& data, std::optional<DType> dtype, const std::optional<DeviceLike>& device);

/// "none", "mean" or "sum"; throws ValueError for any other text.
Reduction parse_reduction(const std::string& text);

inline Tensor or_undefined(const std::optional<Tensor>& tensor) {
  return tensor ? *tensor : Tensor();
}
inline std::optional<Tensor> or_none(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

}  // namespace gnn::python

namespace nanobind::detail {

/// A whole number, of Python or of NumPy (whatever has __index__; not bool, which is a slip where a size is
/// meant).
inline bool load_index(handle src, std::int64_t& value) noexcept {
  if (PyBool_Check(src.ptr()) || !PyIndex_Check(src.ptr())) return false;
  const Py_ssize_t number = PyNumber_AsSsize_t(src.ptr(), PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    return false;
  }
  value = number;
  return true;
}

/// Whole numbers in a tuple or list; false for anything else.
inline bool load_indices(handle src, std::vector<std::int64_t>& values) noexcept {
  if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) return false;
  const auto sequence = borrow<object>(src);
  for (handle item : sequence) {
    std::int64_t value = 0;
    if (!load_index(item, value)) return false;
    values.push_back(value);
  }
  return true;
}

template <>
struct type_caster<gnn::python::DeviceLike> {
  NB_TYPE_CASTER(gnn::python::DeviceLike, const_name("libgnn._core.device | str"))
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    if (PyUnicode_Check(src.ptr())) {
      const char* text = PyUnicode_AsUTF8AndSize(src.ptr(), nullptr);
      if (text == nullptr) {
        PyErr_Clear();
        return false;
      }
      value.value = std::string(text);
      return true;
    }
    gnn::Device device;
    if (!try_cast(src, device, false)) return false;
    value.value = device;
    return true;
  }
};

template <>
struct type_caster<gnn::Size2> {
  NB_TYPE_CASTER(gnn::Size2, const_name("int | tuple[int, int]"))
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    std::int64_t both = 0;
    if (load_index(src, both)) {
      value = gnn::Size2(both);
      return true;
    }
    std::vector<std::int64_t> sizes;
    if (!load_indices(src, sizes) || sizes.size() != 2) return false;
    value = gnn::Size2(sizes[0], sizes[1]);
    return true;
  }
  static handle from_cpp(const gnn::Size2& size, rv_policy, cleanup_list*) noexcept {
    return make_tuple(size.h, size.w).release();
  }
};

/// None: all axes.
template <>
struct type_caster<gnn::Axes> {
  NB_TYPE_CASTER(gnn::Axes, const_name("int | tuple[int, ...] | None"))
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    if (src.is_none()) {
      value = gnn::Axes();
      return true;
    }
    std::vector<std::int64_t> axes;
    std::int64_t axis = 0;
    if (load_index(src, axis)) {
      axes.push_back(axis);
    } else if (!load_indices(src, axes)) {
      return false;
    }
    value = gnn::Axes(std::span<const std::int64_t>(axes));
    return true;
  }
};

}  // namespace nanobind::detail
