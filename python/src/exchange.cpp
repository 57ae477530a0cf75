// Tensors from and to others: Python's numbers and lists, NumPy, DLPack (PyTorch, JAX, CuPy), the buffer
// protocol.
//
// An array that is handed out keeps a handle of its own of the tensor's memory, not the Python object: that
// may come to hold other memory (Module.to). A tensor made from an array keeps the array alive.

#include <nanobind/ndarray.h>

#include <algorithm>
#include <array>
#include <span>

#include "bindings.h"

namespace gnn::python {
namespace {

using AnyArray = nb::ndarray<>;

struct TypeCode {
  DType dtype;
  nb::dlpack::dtype_code code;
};

constexpr std::array type_codes{TypeCode{DType::float32, nb::dlpack::dtype_code::Float},
                                TypeCode{DType::float64, nb::dlpack::dtype_code::Float},
                                TypeCode{DType::float16, nb::dlpack::dtype_code::Float},
                                TypeCode{DType::bfloat16, nb::dlpack::dtype_code::Bfloat},
                                TypeCode{DType::int32, nb::dlpack::dtype_code::Int},
                                TypeCode{DType::int64, nb::dlpack::dtype_code::Int},
                                TypeCode{DType::uint8, nb::dlpack::dtype_code::UInt}};

nb::dlpack::dtype to_dlpack(DType dtype) {
  for (const TypeCode& type : type_codes)
    if (type.dtype == dtype)
      return {static_cast<std::uint8_t>(type.code), static_cast<std::uint8_t>(8 * size_of(dtype)), 1};
  throw_unsupported_dtype("exchange", "a dtype of libgnn", dtype);
}

DType from_dlpack_type(const char* op, nb::dlpack::dtype type) {
  for (const TypeCode& known : type_codes)
    if (to_dlpack(known.dtype) == type) return known.dtype;
  throw DTypeError(std::string(op) +
                   ": expected float32, float64, float16, bfloat16, int32, int64 or uint8, got an array with "
                   "elements of " +
                   std::to_string(type.bits) + " bits of another kind (DLPack's type code " +
                   std::to_string(type.code) + "); convert it with astype()");
}

bool is_contiguous(const nb::ndarray<nb::ro>& array) {
  std::int64_t expected = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) > 1 && array.size() > 0 && array.stride(i) != expected) return false;
    expected *= static_cast<std::int64_t>(array.shape(i));
  }
  return true;
}

/// Whether its memory is like a tensor's: of a dtype that libgnn has, contiguous, aligned.
bool is_like_a_tensor(const nb::ndarray<nb::ro>& array) {
  const auto known = std::ranges::find_if(
      type_codes, [&](const TypeCode& type) { return to_dlpack(type.dtype) == array.dtype(); });
  return known != type_codes.end() && is_contiguous(array) &&
         reinterpret_cast<std::uintptr_t>(array.data()) % size_of(known->dtype) == 0;
}

Shape shape_of(const nb::ndarray<nb::ro>& array) {
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < array.ndim(); ++i) sizes.push_back(static_cast<std::int64_t>(array.shape(i)));
  return Shape(std::span<const std::int64_t>(sizes));
}

/// The array's memory as a tensor, without a copy.
Tensor adopt(const char* op, AnyArray array) {
  const DType dtype = from_dlpack_type(op, array.dtype());
  const nb::ndarray<nb::ro> read_only(array);
  const Shape shape = shape_of(read_only);
  if (!is_contiguous(read_only))
    throw ValueError(
        std::string(op) + ": the array of shape " + shape.to_string() +
        " is not contiguous; pass numpy.ascontiguousarray(array), or libgnn.tensor(array), which copies");
  Device device;
  if (array.device_type() == nb::device::cuda::value) {
    device = Device::parse("cuda:" + std::to_string(array.device_id()));
  } else if (array.device_type() != nb::device::cpu::value) {
    throw DeviceError(std::string(op) +
                      ": the array is neither in the memory of the CPU nor on a CUDA device");
  }
  void* const data = array.data();
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(dtype) != 0)
    throw ValueError(std::string(op) + ": the array's elements are not aligned; copy it first");
  auto* const owner = new AnyArray(std::move(array));
  return from_memory(
      data, shape, dtype,
      [owner, device] {
        // Whoever made it may write into it at once.
        if (device.is_cuda()) synchronize(device);
        nb::gil_scoped_acquire acquired;
        delete owner;
      },
      device);
}

/// The tensor's memory as an array of nanobind's, which keeps it alive.
template <class Framework>
nb::object share(const Tensor& tensor) {
  const Device device = tensor.device();
  std::vector<std::size_t> shape;
  for (const std::int64_t size : tensor.shape()) shape.push_back(static_cast<std::size_t>(size));
  auto* const kept = new Tensor(tensor.detach());
  const nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<Tensor*>(pointer); });
  // Writing through the array is not seen by the version counter, as in PyTorch.
  void* const data = const_cast<void*>(kept->raw_data());
  return nb::cast(nb::ndarray<Framework>(
      data, shape.size(), shape.data(), owner, nullptr, to_dlpack(tensor.dtype()),
      device.is_cpu() ? nb::device::cpu::value : nb::device::cuda::value, device.index));
}

nb::object to_numpy(const Tensor& tensor) {
  if (tensor.requires_grad())
    throw AutogradError(
        "numpy: the tensor requires a gradient, which NumPy cannot follow; use tensor.detach().numpy()");
  if (tensor.device().is_cuda())
    throw DeviceError("numpy: the tensor is on " + tensor.device().to_string() +
                      "; use tensor.cpu().numpy()");
  if (tensor.dtype() == DType::bfloat16)
    throw DTypeError("numpy: NumPy has no bfloat16; use tensor.float().numpy()");
  return share<nb::numpy>(tensor);
}

nb::object to_array(const Tensor& tensor, const nb::object& dtype, const nb::object& copy) {
  nb::object array = to_numpy(tensor);
  const bool converts = !dtype.is_none() && !array.attr("dtype").attr("__eq__")(dtype).is(nb::bool_(true));
  if (converts) {
    if (copy.is(nb::bool_(false)))
      throw nb::value_error("__array__: another dtype needs a copy, and copy is False");
    return array.attr("astype")(dtype);
  }
  return copy.is(nb::bool_(true)) ? nb::object(array.attr("copy")()) : array;
}

nb::object to_dlpack_capsule(const Tensor& tensor, const nb::kwargs& arguments) {
  if (tensor.requires_grad())
    throw nb::buffer_error("__dlpack__: the tensor requires a gradient; export tensor.detach()");
  // A consumer may use the memory on any stream.
  if (tensor.device().is_cuda()) {
    nb::gil_scoped_release released;
    synchronize(tensor.device());
  }
  return share<nb::array_api>(tensor).attr("__dlpack__")(**arguments);
}

std::pair<int, int> dlpack_device(const Tensor& tensor) {
  const Device device = tensor.device();
  return {device.is_cpu() ? nb::device::cpu::value : nb::device::cuda::value, device.index};
}

}  // namespace

/// memoryview(tensor): by the array's own buffer, which is given the consumer's request.
int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept {
  try {
    const auto& tensor = nb::cast<const Tensor&>(nb::handle(self));
    if (tensor.requires_grad() || tensor.device().is_cuda() || tensor.dtype() == DType::bfloat16)
      throw nb::buffer_error(
          "only a tensor on the CPU that requires no gradient has a buffer, and bfloat16 has none; see "
          "cpu(), detach() "
          "and float()");
    const nb::object array = share<nb::array_api>(tensor);
    return PyObject_GetBuffer(array.ptr(), view, flags);
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_BufferError, error.what());
    view->obj = nullptr;
    return -1;
  }
}

namespace {

nb::object numpy() {
  return nb::module_::import_("numpy");
}

bool is_numpy_array(const nb::object& object) {
  return PyObject_IsInstance(object.ptr(), numpy().attr("ndarray").ptr()) == 1;
}

/// A number of NumPy's own, such as an element of an array.
bool is_numpy_number(const nb::object& object) {
  return PyObject_IsInstance(object.ptr(), numpy().attr("generic").ptr()) == 1;
}

/// The dtype that NumPy calls by this name.
std::optional<DType> dtype_named(const std::string& name) {
  for (const TypeCode& known : type_codes)
    if (name == name_of(known.dtype)) return known.dtype;
  return std::nullopt;
}

/// The dtype in which an array's elements are taken over: its own, uint8 for bools; for numbers that libgnn
/// has no dtype for, the one that is asked for.
DType element_type(const nb::object& array, std::optional<DType> wanted) {
  const nb::object type = array.attr("dtype");
  const std::string name = nb::cast<std::string>(type.attr("name"));
  if (name == "bool") return DType::uint8;
  if (const std::optional<DType> known = dtype_named(name)) return *known;
  const std::string kind = nb::cast<std::string>(type.attr("kind"));
  const bool number = kind == "i" || kind == "u" || kind == "f";
  if (number && wanted) return *wanted == DType::bfloat16 ? DType::float32 : *wanted;
  throw DTypeError(
      "tensor: expected float32, float64, float16, int32, int64, uint8 or bool, got elements of " + name +
      (number ? "; name a dtype to convert to, as in tensor(data, dtype=libgnn.int64)" : ""));
}

Tensor copied(const nb::object& data, std::optional<DType> dtype, const std::optional<DeviceLike>& device) {
  if (nb::isinstance<Tensor>(data)) {
    const Tensor source = nb::cast<Tensor>(data).detach();
    const TensorOptions target{dtype.value_or(source.dtype()), device ? device->get() : source.device()};
    nb::gil_scoped_release released;
    // Each is a copy where something changes.
    const Tensor converted = to(to(source, target.dtype), target.device);
    return converted.is_same(source) ? clone(source) : converted;
  }
  if (const std::optional<Tensor> numbers = tensor_of_numbers(data)) {
    const DType own = numbers->dtype() == DType::float64 ? DType::float32 : numbers->dtype();
    return to(to(*numbers, dtype.value_or(own)), device ? device->get() : Device::cpu());
  }
  nb::ndarray<nb::ro> view;
  const auto made_of = [&](DType element, DType chosen) {
    const Shape shape = shape_of(view);
    const Device target = device ? device->get() : Device::cpu();
    nb::gil_scoped_release released;
    return to(to(detail::from_host(view.data(), view.size(), shape, element, Device::cpu()), chosen), target);
  };
  const bool from_numpy = is_numpy_array(data) || is_numpy_number(data);
  if (from_numpy && nb::try_cast(data, view, false) && is_like_a_tensor(view)) {
    const DType element = from_dlpack_type("tensor", view.dtype());
    return made_of(element, dtype.value_or(element));
  }
  const nb::object array = numpy().attr("asarray")(data);
  // Converted by NumPy only where libgnn lacks the dtype, so that the rules of conversions are libgnn's. A
  // name names the native byte order; C: row-major, A: aligned.
  const DType element = element_type(array, dtype);
  const nb::object prepared =
      numpy().attr("require")(array, name_of(element).data(), nb::make_tuple("C", "A"));
  view = nb::cast<nb::ndarray<nb::ro>>(prepared);
  // A list of arrays or tensors is as good as one of numbers, whose floats are float32.
  const bool has_dtype = from_numpy || PyObject_HasAttrString(data.ptr(), "__array__") == 1;
  return made_of(element, dtype                                     ? *dtype
                          : element == DType::float64 && !has_dtype ? DType::float32
                                                                    : element);
}

Tensor adopt_numpy(const char* op, const nb::object& array) {
  if (!is_numpy_array(array)) {
    const std::string got = nb::str(array.type().attr("__name__")).c_str();
    throw nb::type_error((std::string(op) + ": expected a numpy.ndarray, got " + got).c_str());
  }
  const std::string name = nb::cast<std::string>(array.attr("dtype").attr("name"));
  const bool native = nb::cast<bool>(array.attr("dtype").attr("isnative"));
  if (!native || !dtype_named(name))
    throw DTypeError(
        std::string(op) +
        ": expected float32, float64, float16, int32, int64 or uint8 in native byte order, got " + name +
        (native ? "" : " in the other byte order") + "; convert it with astype()");
  const nb::object flags = array.attr("flags");
  AnyArray view;
  if (!nb::cast<bool>(flags.attr("writeable")) || !nb::cast<bool>(flags.attr("aligned")) ||
      !nb::try_cast(array, view, false))
    throw ValueError(std::string(op) +
                     ": expected an array that is writeable and aligned, as a tensor on its memory is; "
                     "libgnn.tensor(array) copies");
  return adopt(op, std::move(view));
}

/// What object.__dlpack__() gives. Its errors are passed on.
nb::object dlpack_capsule(const nb::object& object) {
  if (PyObject_HasAttrString(object.ptr(), "__dlpack__") == 0) {
    const std::string got = nb::str(object.type().attr("__name__")).c_str();
    throw nb::type_error(("from_dlpack: expected an object with __dlpack__, got " + got).c_str());
  }
  const nb::object method = object.attr("__dlpack__");
  try {
    return method("max_version"_a = nb::make_tuple(1, 0));
  } catch (nb::python_error& error) {
    // Libraries older than that argument.
    if (!error.matches(PyExc_TypeError)) throw;
  }
  return method();
}

Tensor from_dlpack(const nb::object& object) {
  // The capsule, not the object: nanobind marks it as used, so that none is taken twice.
  const nb::object capsule = dlpack_capsule(object);
  AnyArray array;
  if (!PyCapsule_CheckExact(capsule.ptr()) || !nb::try_cast(capsule, array, false)) {
    const std::string got = nb::str(object.type().attr("__name__")).c_str();
    throw nb::type_error(
        ("from_dlpack: the " + got + "'s __dlpack__ gave nothing that can be read and written").c_str());
  }
  return adopt("from_dlpack", std::move(array));
}

}  // namespace

Tensor as_tensor(const nb::object& data, std::optional<DType> dtype,
                 const std::optional<DeviceLike>& device) {
  const auto converted = [&](Tensor tensor) {
    const Device target = device ? device->get() : tensor.device();
    if (dtype) tensor = to(tensor, *dtype);
    return to(tensor, target);
  };
  if (nb::isinstance<Tensor>(data)) return converted(nb::cast<Tensor>(data));
  AnyArray view;
  if (is_numpy_array(data) && nb::try_cast(data, view, false) && is_like_a_tensor(nb::ndarray<nb::ro>(view)))
    return converted(adopt("as_tensor", std::move(view)));
  return copied(data, dtype, device);
}

void bind_exchange(nb::module_& m, nb::class_<Tensor>& tensor) {
  tensor.def(
      "numpy", &to_numpy, nb::sig("def numpy(self) -> numpy.typing.NDArray[typing.Any]"),
      "The elements as a NumPy array on the same memory, which lives as long as one of the two does.\n\n"
      "Raises DeviceError on a CUDA device, AutogradError for a tensor that requires a gradient, TypeError "
      "for "
      "bfloat16.");
  tensor.def("__array__", &to_array, "dtype"_a = nb::none(), "copy"_a = nb::none(),
             nb::sig("def __array__(self, dtype: typing.Any = None, copy: bool | None = None) -> "
                     "numpy.typing.NDArray[typing.Any]"));
  // array + tensor is the tensor's business, which raises TypeError, instead of an array without gradients.
  tensor.attr("__array_priority__") = 1000;
  tensor.def("__dlpack__", &to_dlpack_capsule, "kwargs"_a,
             nb::sig("def __dlpack__(self, **kwargs: typing.Any) -> typing.Any"));
  tensor.def("__dlpack_device__", &dlpack_device);

  m.def(
      "tensor",
      [](const nb::object& data, std::optional<DType> dtype, const std::optional<DeviceLike>& device,
         bool requires_grad) { return with_grad(copied(data, dtype, device), requires_grad); },
      "data"_a.none(), nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(),
      "requires_grad"_a = false,
      "A new tensor with a copy of the data: a number, nested lists of them, a NumPy array, a tensor.\n\n"
      "dtype: by default a NumPy array's own; float32 for Python's floats, int64 for ints, uint8 for bools.\n"
      "Raises ValueError for lists of different lengths, TypeError for what are no numbers.");
  m.def("as_tensor", &as_tensor, "data"_a.none(), "dtype"_a = nb::none(), "device"_a = nb::none(),
        "The data as a tensor, on the same memory where that is possible, else as tensor() does.");
  m.def(
      "from_numpy", [](const nb::object& array) { return adopt_numpy("from_numpy", array); },
      "array"_a.none(), nb::sig("def from_numpy(array: numpy.typing.NDArray[typing.Any]) -> Tensor"),
      "A tensor on the memory of a NumPy array: changes of one are seen in the other.\n\n"
      "Raises ValueError for an array that is not contiguous or read-only, TypeError for dtypes that libgnn "
      "lacks.");
  m.def("from_dlpack", &from_dlpack, "object"_a.none(),
        nb::sig("def from_dlpack(object: typing.Any) -> Tensor"),
        "A tensor on the memory of an array of another library (PyTorch, JAX, CuPy, NumPy), by its "
        "__dlpack__.\n\n"
        "Raises ValueError for one that is not contiguous, TypeError for a dtype that libgnn lacks and one "
        "that "
        "is read-only, DeviceError for a device that libgnn cannot use, and whatever __dlpack__ raises.");
}

}  // namespace gnn::python
