// t[…]: whole numbers and slices of step 1 of the leading dimensions, which are what contiguous tensors have
// views for.

#include "bindings.h"

namespace gnn::python {
namespace {

[[noreturn]] void refuse(nb::handle index) {
  const std::string got = nb::repr(index).c_str();
  throw IndexError(
      "index: a tensor is indexed by whole numbers and slices of its leading dimensions, with step 1 "
      "(t[2], t[1, 3], t[10:20], t[0, 5:]), which share its memory; got [" +
      got + "]. For anything else index t.numpy() and make a tensor of the result");
}

bool is_whole_slice(nb::handle index) {
  return PySlice_Check(index.ptr()) && index.attr("start").is_none() && index.attr("stop").is_none() &&
         index.attr("step").is_none();
}

/// Element `index` of the leading dimension.
Tensor select(const Tensor& tensor, std::int64_t index) {
  if (tensor.dim() == 0)
    throw IndexError("index: a tensor without dimensions has no elements to choose from");
  const std::int64_t size = tensor.size(0);
  if (index < -size || index >= size)
    throw IndexError("index: " + std::to_string(index) + " is out of range for a dimension of size " +
                     std::to_string(size));
  const std::int64_t first = index < 0 ? index + size : index;
  const Shape& shape = tensor.shape();
  return reshape(slice(tensor, first, first + 1), std::span(shape.begin() + 1, shape.dim() - 1));
}

/// Rows start:stop of the leading dimension, clipped as Python does.
Tensor rows(const Tensor& tensor, nb::handle index) {
  if (tensor.dim() == 0) throw IndexError("index: a tensor without dimensions cannot be sliced");
  Py_ssize_t start = 0;
  Py_ssize_t stop = 0;
  Py_ssize_t step = 0;
  if (PySlice_Unpack(index.ptr(), &start, &stop, &step) != 0) throw nb::python_error();
  if (step != 1) refuse(index);
  const Py_ssize_t count = PySlice_AdjustIndices(tensor.size(0), &start, &stop, step);
  return slice(tensor, start, start + count);
}

Tensor at(const Tensor& tensor, nb::handle index) {
  const nb::tuple parts =
      nb::isinstance<nb::tuple>(index) ? nb::borrow<nb::tuple>(index) : nb::make_tuple(index);
  // Whole slices and an ellipsis at the end choose everything.
  std::size_t count = parts.size();
  std::size_t dims = 0;
  for (const nb::handle part : parts) dims += part.ptr() != Py_Ellipsis;
  if (dims > tensor.dim())
    throw IndexError("index: " + std::to_string(dims) + " indices for a tensor of shape " +
                     tensor.shape().to_string());
  while (count > 0 && (parts[count - 1].ptr() == Py_Ellipsis || is_whole_slice(parts[count - 1]))) --count;
  Tensor result = tensor;
  for (std::size_t i = 0; i < count; ++i) {
    const nb::handle part = parts[i];
    std::int64_t number = 0;
    if (nb::detail::load_index(part, number)) {
      result = select(result, number);
    } else if (PySlice_Check(part.ptr()) && i + 1 == count) {
      result = rows(result, part);
    } else {
      refuse(index);
    }
  }
  // t[:], t[...] and t[()] are new handles of the same memory, as every other index is.
  return count == 0 ? reshape(tensor, tensor.shape()) : result;
}

}  // namespace

void bind_indexing(nb::class_<Tensor>& tensor) {
  tensor.def(
      "__getitem__", [](const Tensor& self, nb::handle index) { return at(self, index); }, "index"_a.none(),
      nb::sig("def __getitem__(self, index: int | slice | types.EllipsisType | "
              "tuple[int | slice | types.EllipsisType, ...]) -> Tensor"),
      "A view of some of the leading dimensions: t[2], t[1, 3], t[10:20], t[0, 5:]. Differentiable.\n\n"
      "Raises IndexError out of range, and for what would not be contiguous.");
  tensor.def(
      "__setitem__",
      [](const nb::object& self, nb::handle index, const nb::object& value) {
        // A view of the detached memory: whether writing is allowed is copy_'s and fill_'s business.
        const auto& whole = nb::cast<const Tensor&>(self);
        self.attr("_check_in_place")("index");
        nb::object target = nb::cast(at(whole.detach(), index));
        if (nb::isinstance<Tensor>(value)) {
          target.attr("copy_")(value);
        } else if (PyNumber_Check(value.ptr()) && !PySequence_Check(value.ptr())) {
          target.attr("fill_")(value);
        } else {
          const std::string got = nb::str(value.type().attr("__name__")).c_str();
          throw nb::type_error(
              ("t[...] = value: expected a tensor or a number, got " + got + "; see libgnn.tensor").c_str());
        }
      },
      "index"_a.none(), "value"_a.none(),
      nb::sig("def __setitem__(self, index: int | slice | types.EllipsisType | "
              "tuple[int | slice | types.EllipsisType, ...], value: Tensor | float) -> None"),
      "Copies a tensor of that shape, or a number, there, in place. Raises as copy_ does.");
  tensor.def(
      "__iter__",
      [](const nb::object& self) {
        const auto& whole = nb::cast<const Tensor&>(self);
        if (whole.dim() == 0) throw nb::type_error("iteration over a tensor without dimensions");
        nb::list views;
        for (std::int64_t i = 0; i < whole.size(0); ++i) views.append(nb::cast(select(whole, i)));
        return nb::iter(views);
      },
      nb::sig("def __iter__(self) -> collections.abc.Iterator[Tensor]"));
}

}  // namespace gnn::python
