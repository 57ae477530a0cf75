// gnn::Error and its kinds as Python exceptions that are libgnn's and, where there is one, the builtin of
// that kind.

#include <exception>
#include <typeinfo>

#include "bindings.h"

namespace gnn::python {
namespace {

/// A Python exception `name` for the C++ exception E, derived from `base` (one class or a tuple of them).
template <class E>
nb::exception<E> bind_error(nb::module_& m, const char* name, const nb::object& base, const char* doc) {
  nb::exception<E> type(m, name, base);
  type.attr("__doc__") = doc;
  return type;
}

}  // namespace

void bind_errors(nb::module_& m) {
  // Of nanobind's casts: of an object whose class forgot to call Tensor.__init__, say.
  nb::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const std::bad_cast&) {
      PyErr_SetString(PyExc_TypeError,
                      "an argument, or what a Python function returned, is of the wrong type");
    }
  });
  const auto builtin = [](PyObject* type) { return nb::borrow<nb::object>(type); };
  const nb::object error = bind_error<Error>(m, "Error", builtin(PyExc_RuntimeError),
                                             "Base of every exception that libgnn raises.");
  const auto also = [&](PyObject* type) { return nb::make_tuple(error, builtin(type)); };
  bind_error<ShapeError>(m, "ShapeError", also(PyExc_ValueError),
                         "Shapes that do not fit together or do not fit the operation.");
  bind_error<DTypeError>(
      m, "DTypeError", also(PyExc_TypeError),
      "A dtype that the operation does not take, or two that should be equal and are not.");
  bind_error<DeviceError>(m, "DeviceError", error,
                          "An unknown or unavailable device, or tensors that live on different devices.");
  bind_error<IndexError>(m, "IndexOutOfRangeError", also(PyExc_IndexError),
                         "An index, axis or label outside its range.");
  bind_error<ValueError>(m, "InvalidValueError", also(PyExc_ValueError),
                         "A parameter with a value that makes no sense (stride 0, probability 2, ...).");
  bind_error<OutOfMemoryError>(
      m, "OutOfMemoryError", also(PyExc_MemoryError),
      "No memory left on the device, even after the cache was returned to the driver.");
  bind_error<AutogradError>(m, "AutogradError", error,
                            "Misuse of the tape: backward twice, a saved tensor changed in place, ...");
  bind_error<CudaError>(m, "CudaError", error,
                        "A call of the CUDA runtime, of cuBLAS or of cuDNN that failed.");
  bind_error<CaptureError>(m, "CaptureError", error,
                           "Something that cannot be part of a captured training step.");
  bind_error<DataError>(m, "DataError", error,
                        "A file or data set that is missing, damaged or of the wrong kind.");
  bind_error<TrainingError>(m, "TrainingError", error,
                            "Training that cannot go on: the loss became NaN or infinite.");
}

}  // namespace gnn::python
