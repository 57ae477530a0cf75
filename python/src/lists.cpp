// tensor() of Python's own numbers and nested lists of them, without NumPy: ten times as fast for short ones.

#include <span>

#include "bindings.h"

namespace gnn::python {
namespace {

bool is_sequence(PyObject* object) {
  return PyList_CheckExact(object) || PyTuple_CheckExact(object);
}

Py_ssize_t length_of(PyObject* sequence) {
  return PyList_CheckExact(sequence) ? PyList_Size(sequence) : PyTuple_Size(sequence);
}

/// Borrowed.
PyObject* item_of(PyObject* sequence, Py_ssize_t index) {
  return PyList_CheckExact(sequence) ? PyList_GetItem(sequence, index) : PyTuple_GetItem(sequence, index);
}

/// Reads numbers of exactly Python's types: no code of the user runs meanwhile.
class Reader {
 public:
  /// False for anything else than numbers in lists of equal lengths.
  bool read(PyObject* data) {
    PyObject* first = data;
    while (is_sequence(first)) {
      const Py_ssize_t length = length_of(first);
      sizes_.push_back(length);
      if (length == 0) break;
      if (sizes_.size() > Shape::max_dims) return false;
      first = item_of(first, 0);
    }
    return read(data, 0);
  }

  Tensor tensor() const {
    const Shape shape{std::span<const std::int64_t>(sizes_)};
    if (real_ || reals_.empty()) return from_values(reals_, shape);
    if (!whole_) return to(from_values(wholes_, shape), DType::uint8);
    return from_values(wholes_, shape);
  }

 private:
  bool read(PyObject* data, std::size_t depth) {
    if (depth == sizes_.size()) return read_number(data);
    if (!is_sequence(data) || length_of(data) != sizes_[depth]) return false;
    for (Py_ssize_t i = 0; i < sizes_[depth]; ++i)
      if (!read(item_of(data, i), depth + 1)) return false;
    return true;
  }

  bool read_number(PyObject* number) {
    if (PyFloat_CheckExact(number)) {
      real_ = true;
      reals_.push_back(PyFloat_AsDouble(number));
      return true;
    }
    if (!PyLong_CheckExact(number) && !PyBool_Check(number)) return false;
    whole_ = whole_ || !PyBool_Check(number);
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow != 0) return false;
    if (!real_) wholes_.push_back(value);
    reals_.push_back(static_cast<double>(value));
    return true;
  }

  std::vector<std::int64_t> sizes_;
  bool real_ = false;   // there is a float
  bool whole_ = false;  // there is an int that is no bool
  std::vector<double> reals_;
  std::vector<std::int64_t> wholes_;  // as long as there is no float
};

}  // namespace

std::optional<Tensor> tensor_of_numbers(nb::handle data) {
  Reader reader;
  if (!reader.read(data.ptr())) return std::nullopt;
  return reader.tensor();
}

}  // namespace gnn::python
