// Arithmetic, element-wise functions, reductions and shapes, as functions of the module and as methods of
// Tensor.

#include <array>
#include <limits>

#include "bindings.h"

namespace gnn::python {
namespace {

/// A number of Python's as an operand. Unlike a double it is a whole number at the first attempt, too, before
/// the overloads that refuse an operand.
struct Number {
  double value = 0;
};

}  // namespace
}  // namespace gnn::python

template <>
struct nanobind::detail::type_caster<gnn::python::Number> {
  NB_TYPE_CASTER(gnn::python::Number, const_name("float"))
  bool from_python(handle src, std::uint32_t flags, cleanup_list*) noexcept {
    const bool is_number = PyFloat_Check(src.ptr()) || PyLong_Check(src.ptr());
    if (!is_number && (flags & cast_flags::convert) == 0) return false;
    value.value = PyFloat_AsDouble(src.ptr());
    if (value.value != -1 || PyErr_Occurred() == nullptr) return true;
    PyErr_Clear();
    return false;
  }
};

namespace gnn::python {
namespace {

struct Unary {
  const char* name;
  Tensor (*function)(const Tensor&);
  const char* doc;
};

constexpr std::array unary{
    Unary{"abs", &abs, "|x|, element by element."},
    Unary{"ceil", &ceil, "The least whole number that is not below x. The gradient is 0."},
    Unary{"cos", &cos, "The cosine."},
    Unary{"exp", &exp, "e to the power of x."},
    Unary{"expm1", &expm1, "e to the power of x, minus 1; exact near 0."},
    Unary{"floor", &floor, "The greatest whole number that is not above x. The gradient is 0."},
    Unary{"log", &log, "The natural logarithm; -inf at 0, NaN below."},
    Unary{"log1p", &log1p, "The natural logarithm of 1 + x; exact near 0."},
    Unary{"neg", &neg, "-x."},
    Unary{"reciprocal", &reciprocal, "1 / x."},
    Unary{"relu", &relu, "max(x, 0)."},
    Unary{"round", &round, "The nearest whole number, of two the even one. The gradient is 0."},
    Unary{"rsqrt", &rsqrt, "1 / sqrt(x)."},
    Unary{"sigmoid", &sigmoid, "1 / (1 + exp(-x))."},
    Unary{"sign", &sign, "-1, 0 or 1. The gradient is 0."},
    Unary{"sin", &sin, "The sine."},
    Unary{"sqrt", &sqrt, "The square root; NaN below 0."},
    Unary{"square", &square, "x * x."},
    Unary{"tanh", &tanh, "The hyperbolic tangent."},
};

using Both = Tensor (*)(const Tensor&, const Tensor&);
using Right = Tensor (*)(const Tensor&, double);
using Left = Tensor (*)(double, const Tensor&);

struct Binary {
  const char* name;
  Both both;
  Right right;
  Left left;  // nullptr: the operation commutes, or has no number on the left
  const char* doc;
  const char* symbol = nullptr;  // "add" for __add__ and __radd__
};

const std::array binary{
    Binary{"add", &add, &add, nullptr, "input + other", "add"},
    Binary{"sub", &sub, &sub, &sub, "input - other", "sub"},
    Binary{"mul", &mul, &mul, nullptr, "input * other", "mul"},
    Binary{"div", &div, &div, &div, "input / other", "truediv"},
    Binary{"pow", &pow, &pow, &pow, "input to the power of other", "pow"},
    Binary{"maximum", &maximum, &maximum, nullptr, "The larger of input and other; NaN if one is"},
    Binary{"minimum", &minimum, &minimum, nullptr, "The smaller of input and other; NaN if one is"},
};

/// NumPy would take the tensor for an array and compute without gradients.
void def_array_refusal(nb::class_<Tensor>& tensor, const std::string& symbol) {
  tensor.def(
      symbol.c_str(),
      [](const Tensor&, nb::handle other) -> nb::object {
        if (!nb::hasattr(other, "__array_function__")) throw nb::next_overload();
        throw nb::type_error(
            "a tensor and a NumPy array have no arithmetic in common; make a tensor of the array by "
            "libgnn.from_numpy(array), or an array of the tensor by tensor.numpy()");
      },
      "other"_a, nb::is_operator(),
      nb::sig(
          ("def " + symbol + "(self, other: numpy.typing.NDArray[typing.Any]) -> typing.NoReturn").c_str()));
}

void bind_arithmetic(nb::module_& m, nb::class_<Tensor>& tensor) {
  for (const Unary& op : unary) {
    m.def(op.name, op.function, "input"_a, releases_gil(), op.doc);
    tensor.def(op.name, op.function, releases_gil(), op.doc);
  }
  tensor.def("__neg__", &neg, releases_gil());
  tensor.def(
      "__pos__", [](Tensor& self) -> Tensor& { return self; }, nb::rv_policy::none);
  tensor.def("__abs__", &abs, releases_gil());
  for (const Binary& op : binary) {
    const std::string doc =
        std::string(op.doc) +
        ", element by element, with NumPy's broadcasting; other is a tensor or a number.\n\nRaises "
        "ValueError for "
        "shapes that do not fit, TypeError for dtypes other than float32 and float64, or different ones.";
    m.def(op.name, op.both, "input"_a, "other"_a, releases_gil(), doc.c_str());
    m.def(op.name, op.right, "input"_a, "other"_a, releases_gil(), doc.c_str());
    if (op.left != nullptr) m.def(op.name, op.left, "input"_a, "other"_a, releases_gil(), doc.c_str());
    tensor.def(op.name, op.both, "other"_a, releases_gil(), doc.c_str());
    tensor.def(op.name, op.right, "other"_a, releases_gil(), doc.c_str());
    if (op.symbol == nullptr) continue;
    const std::string direct = std::string("__") + op.symbol + "__";
    const std::string reflected = std::string("__r") + op.symbol + "__";
    tensor.def(direct.c_str(), op.both, "other"_a, nb::is_operator(), releases_gil());
    const auto from_right = [op](const Tensor& self, Number other) { return op.right(self, other.value); };
    const auto from_left = [op](const Tensor& self, Number other) {
      return op.left == nullptr ? op.right(self, other.value) : op.left(other.value, self);
    };
    tensor.def(direct.c_str(), from_right, "other"_a, nb::is_operator(), releases_gil());
    tensor.def(reflected.c_str(), from_left, "other"_a, nb::is_operator(), releases_gil());
    def_array_refusal(tensor, direct);
    def_array_refusal(tensor, reflected);
  }

  const auto bounded = [](const Tensor& x, std::optional<double> min, std::optional<double> max) {
    if (!min && !max) throw ValueError("clamp: at least one of min and max must be given");
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return clamp(x, min.value_or(-infinity), max.value_or(infinity));
  };
  const char* const clamp_doc = "Every element limited to [min, max]; None is no limit.";
  m.def("clamp", bounded, "input"_a, "min"_a = nb::none(), "max"_a = nb::none(), releases_gil(), clamp_doc);
  tensor.def("clamp", bounded, "min"_a = nb::none(), "max"_a = nb::none(), releases_gil(), clamp_doc);
}

struct Comparison {
  const char* name;
  Both both;
  Right right;
  const char* doc;
};

constexpr std::array comparisons{
    Comparison{"eq", &eq, &eq, "input == other"}, Comparison{"ne", &ne, &ne, "input != other"},
    Comparison{"lt", &lt, &lt, "input < other"},  Comparison{"le", &le, &le, "input <= other"},
    Comparison{"gt", &gt, &gt, "input > other"},  Comparison{"ge", &ge, &ge, "input >= other"},
};

void bind_comparisons(nb::module_& m, nb::class_<Tensor>& tensor) {
  for (const Comparison& op : comparisons) {
    const std::string doc =
        std::string(op.doc) +
        ", element by element, with NumPy's broadcasting: a uint8 tensor of 1 (true) and 0. other "
        "is a tensor of the same dtype or a number.";
    m.def(op.name, op.both, "input"_a, "other"_a, releases_gil(), doc.c_str());
    m.def(op.name, op.right, "input"_a, "other"_a, releases_gil(), doc.c_str());
    tensor.def(op.name, op.both, "other"_a, releases_gil(), doc.c_str());
    tensor.def(op.name, op.right, "other"_a, releases_gil(), doc.c_str());
    const std::string symbol = std::string("__") + op.name + "__";
    tensor.def(symbol.c_str(), op.both, "other"_a, nb::is_operator(), releases_gil());
    const auto from_right = [op](const Tensor& self, Number other) { return op.right(self, other.value); };
    tensor.def(symbol.c_str(), from_right, "other"_a, nb::is_operator(), releases_gil());
    def_array_refusal(tensor, symbol);
  }
  // Defining __eq__ takes it away. As in PyTorch it is the object's, whatever its values.
  tensor.attr("__hash__") =
      nb::borrow<nb::object>(reinterpret_cast<PyObject*>(&PyBaseObject_Type)).attr("__hash__");
  m.def("equal", &equal, "input"_a, "other"_a, releases_gil(),
        "True when both have the same shape, dtype, device and elements; waits for the device.");
  const char* const all_doc = "1 when all elements are other than 0, else 0 (uint8).";
  const char* const any_doc = "1 when an element is other than 0, else 0 (uint8).";
  m.def("all", &all, "input"_a, releases_gil(), all_doc);
  m.def("any", &any, "input"_a, releases_gil(), any_doc);
  tensor.def("all", &all, releases_gil(), all_doc);
  tensor.def("any", &any, releases_gil(), any_doc);
}

/// max(values=..., indices=...), a named tuple.
nb::object max_and_index(const nb::object& named_tuple, const Tensor& x, std::int64_t dim, bool keepdim) {
  auto both = [&] {
    nb::gil_scoped_release released;
    return std::pair(max(x, dim, keepdim), argmax(x, dim, keepdim));
  }();
  return named_tuple(std::move(both.first), std::move(both.second));
}

/// A function and a method of the same name: reductions over dim, by default over all dimensions.
void def_reduction(nb::module_& m, nb::class_<Tensor>& tensor, const char* name,
                   Tensor (*function)(const Tensor&, const Axes&, bool), const char* doc) {
  m.def(name, function, "input"_a, "dim"_a.none() = nb::none(), "keepdim"_a = false, releases_gil(), doc);
  tensor.def(name, function, "dim"_a.none() = nb::none(), "keepdim"_a = false, releases_gil(), doc);
}

void bind_reductions(nb::module_& m, nb::class_<Tensor>& tensor) {
  def_reduction(
      m, tensor, "sum", &sum,
      "The sum over one dimension, several or all of them; float32 sums are accurate for any length. With "
      "keepdim reduced dimensions stay with size 1.");
  def_reduction(m, tensor, "mean", &mean, "The mean over one dimension, several or all of them.");
  def_reduction(m, tensor, "amax", &max,
                "The largest element over one dimension, several or all of them; NaN where there is one.");
  const auto max_of_all = [](const Tensor& x) { return max(x); };
  m.def("max", max_of_all, "input"_a, releases_gil(), "The largest element.");
  const nb::object named_tuple = nb::module_::import_("libgnn._max").attr("MaxResult");
  const auto along_dim = [named_tuple](const Tensor& x, std::int64_t dim, bool keepdim) {
    return max_and_index(named_tuple, x, dim, keepdim);
  };
  const char* const max_doc = "The largest elements along a dimension and their indices: (values, indices).";
  m.def("max", along_dim, "input"_a, "dim"_a, "keepdim"_a = false,
        nb::sig("def max(input: Tensor, dim: int, keepdim: bool = False) -> libgnn._max.MaxResult"), max_doc);
  tensor.def("max", max_of_all, releases_gil(), "The largest element.");
  tensor.def("max", along_dim, "dim"_a, "keepdim"_a = false,
             nb::sig("def max(self, dim: int, keepdim: bool = False) -> libgnn._max.MaxResult"), max_doc);
  const char* const argmax_doc =
      "The index (int64) of the largest element along a dimension, of equal ones the first; without dim the "
      "index "
      "into the flattened tensor. NaN counts as largest.";
  m.def("argmax", &argmax, "input"_a, "dim"_a = nb::none(), "keepdim"_a = false, releases_gil(), argmax_doc);
  tensor.def("argmax", &argmax, "dim"_a = nb::none(), "keepdim"_a = false, releases_gil(), argmax_doc);
}

Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  std::vector<std::int64_t> sizes(x.shape().begin(), x.shape().end());
  const auto dims = static_cast<std::int64_t>(sizes.size());
  if (dim < -dims - 1 || dim > dims)
    throw IndexError("unsqueeze: dimension " + std::to_string(dim) + " is out of range for shape " +
                     x.shape().to_string());
  sizes.insert(sizes.begin() + (dim < 0 ? dim + dims + 1 : dim), 1);
  return reshape(x, sizes);
}

/// Without dimensions of size 1: all of them, or those of `axes` that have it.
Tensor squeeze(const Tensor& x, const Axes& axes) {
  const AxisMask chosen = axes.mask("squeeze", x.shape());
  std::vector<std::int64_t> sizes;
  for (std::size_t axis = 0; axis < x.dim(); ++axis)
    if (!(chosen[axis] && x.shape()[axis] == 1)) sizes.push_back(x.shape()[axis]);
  return reshape(x, sizes);
}

Tensor transpose_dims(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  const std::size_t first = x.shape().normalize_axis(dim0);
  const std::size_t second = x.shape().normalize_axis(dim1);
  if (first == second) return x;
  if (std::min(first, second) + 2 != x.dim() || std::max(first, second) + 1 != x.dim())
    throw ValueError("transpose: only the last two dimensions can be exchanged, got " + std::to_string(dim0) +
                     " and " + std::to_string(dim1) + " for shape " + x.shape().to_string());
  return transpose(x);
}

Tensor transpose_matrix(const Tensor& x) {
  if (x.dim() < 2) return x;
  if (x.dim() > 2)
    throw ShapeError("t: expected at most 2 dimensions, got " + x.shape().to_string() +
                     "; see mT and transpose");
  return transpose(x);
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  return matmul(a, b);
}

void bind_shapes(nb::module_& m, nb::class_<Tensor>& tensor) {
  const char* const reshape_doc =
      "The same elements in another shape, sharing memory; one size may be -1. Differentiable.";
  for (const char* const name : {"reshape", "view"}) {
    tensor.def(
        name,
        [name](const Tensor& self, const nb::args& shape) { return reshape(self, sizes_of(shape, name)); },
        "shape"_a,
        nb::sig((std::string("def ") + name + "(self, *shape: int | collections.abc.Sequence[int]) -> Tensor")
                    .c_str()),
        reshape_doc);
  }
  m.def(
      "reshape",
      [](const Tensor& input, const nb::object& shape) {
        return reshape(input, sizes_of(nb::make_tuple(shape), "reshape"));
      },
      "input"_a, "shape"_a, reshape_doc);

  const char* const flatten_doc = "Dimensions start_dim to end_dim as one. Differentiable.";
  m.def("flatten", &flatten, "input"_a, "start_dim"_a = 0, "end_dim"_a = -1, flatten_doc);
  tensor.def("flatten", &flatten, "start_dim"_a = 0, "end_dim"_a = -1, flatten_doc);
  m.def("unsqueeze", &unsqueeze, "input"_a, "dim"_a, "A new dimension of size 1 before dimension dim.");
  tensor.def("unsqueeze", &unsqueeze, "dim"_a, "A new dimension of size 1 before dimension dim.");
  m.def("squeeze", &squeeze, "input"_a, "dim"_a.none() = nb::none(), "Without dimensions of size 1.");
  tensor.def("squeeze", &squeeze, "dim"_a.none() = nb::none(), "Without dimensions of size 1.");

  const char* const transpose_doc = "The last two dimensions exchanged: a copy. Differentiable.";
  m.def("transpose", &transpose_dims, "input"_a, "dim0"_a, "dim1"_a, releases_gil(), transpose_doc);
  tensor.def("transpose", &transpose_dims, "dim0"_a, "dim1"_a, releases_gil(), transpose_doc);
  m.def("t", &transpose_matrix, "input"_a, releases_gil(),
        "The transpose of a matrix: a copy. Differentiable.");
  tensor.def("t", &transpose_matrix, releases_gil(), "The transpose of a matrix: a copy. Differentiable.");
  tensor.def_prop_ro("T", &transpose_matrix, releases_gil(), "The transpose of a matrix: a copy.");
  tensor.def_prop_ro("mT", &transpose, releases_gil(), "The last two dimensions exchanged: a copy.");

  const char* const matmul_doc =
      "Matrix product of a [n, k] and [k, m] matrix, or of batches of them [b, n, k] and [b, k, m].";
  for (const char* const name : {"matmul", "mm"}) {
    m.def(name, &multiply, "input"_a, "other"_a, releases_gil(), matmul_doc);
    tensor.def(name, &multiply, "other"_a, releases_gil(), matmul_doc);
  }
  tensor.def("__matmul__", &multiply, "other"_a, nb::is_operator(), releases_gil());
}

}  // namespace

void bind_operators(nb::module_& m, nb::class_<Tensor>& tensor) {
  bind_arithmetic(m, tensor);
  bind_comparisons(m, tensor);
  bind_reductions(m, tensor);
  bind_shapes(m, tensor);
  const char* const softmax_doc =
      "exp(x - max) / sum(exp(x - max)) along dim, which must be named; libgnn.nn.functional.log_softmax is "
      "its "
      "logarithm.";
  m.def("softmax", &softmax, "input"_a, "dim"_a, releases_gil(), softmax_doc);
  tensor.def("softmax", &softmax, "dim"_a, releases_gil(), softmax_doc);
  m.def("log_softmax", &log_softmax, "input"_a, "dim"_a, releases_gil(), "The logarithm of softmax().");
  tensor.def("log_softmax", &log_softmax, "dim"_a, releases_gil(), "The logarithm of softmax().");
}

}  // namespace gnn::python
