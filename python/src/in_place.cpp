// Changes in place. Nothing of them is recorded, so they are refused where a gradient would have to flow.

#include <limits>

#include "bindings.h"

namespace gnn::python {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void check_in_place(const Tensor& tensor, const char* op) {
  if (!grad_enabled() || !tensor.requires_grad()) return;
  throw AutogradError(
      std::string(op) +
      (tensor.is_leaf() ? ": a leaf that requires a gradient cannot be changed in place; do it under "
                          "libgnn.no_grad()"
                        : ": the result of a recorded operation cannot be changed in place; use the operator "
                          "that makes a new tensor, or do it under libgnn.no_grad()"));
}

void check_source(const Tensor& source, const char* op) {
  if (grad_enabled() && source.requires_grad())
    throw AutogradError(
        std::string(op) +
        ": a change in place is not recorded, and the other tensor requires a gradient; use the "
        "operator that makes a new tensor, or detach() it");
}

/// Checks, computes op(self) and copies it over self.
template <class Compute>
Tensor& update(Tensor& self, const char* op, Compute compute) {
  check_in_place(self, op);
  const NoGrad no_grad;
  const Tensor result = compute(self);
  if (result.shape() != self.shape())
    throw ShapeError(std::string(op) + ": the result of shape " + result.shape().to_string() +
                     " does not fit into a tensor of shape " + self.shape().to_string());
  self.copy_from(result);
  return self;
}

using Binary = Tensor (*)(const Tensor&, const Tensor&);
using BinaryNumber = Tensor (*)(const Tensor&, double);

/// What all of them return: the Python object that they were called on.
constexpr auto itself = nb::rv_policy::none;

void def_update(nb::class_<Tensor>& tensor, const char* method, const char* op, Binary binary,
                BinaryNumber with_number) {
  for (const char* const name : {method, op}) {
    tensor.def(
        name,
        [method, binary](Tensor& self, const Tensor& other) -> Tensor& {
          check_in_place(self, method);
          check_source(other, method);
          return update(self, method, [&](const Tensor& x) { return binary(x, other); });
        },
        "other"_a, itself, releases_gil());
    tensor.def(
        name,
        [method, with_number](Tensor& self, double other) -> Tensor& {
          return update(self, method, [&](const Tensor& x) { return with_number(x, other); });
        },
        "other"_a, itself, releases_gil());
  }
}

Tensor& fill_in_place(Tensor& self, const char* op, double value) {
  check_in_place(self, op);
  const nb::gil_scoped_release released;
  fill(self, value);
  return self;
}

}  // namespace

void bind_in_place(nb::class_<Tensor>& tensor) {
  def_update(tensor, "add_", "__iadd__", &add, &add);
  def_update(tensor, "sub_", "__isub__", &sub, &sub);
  def_update(tensor, "mul_", "__imul__", &mul, &mul);
  def_update(tensor, "div_", "__itruediv__", &div, &div);
  tensor.def("_check_in_place", &check_in_place, "op"_a);
  tensor.def(
      "copy_",
      [](Tensor& self, const Tensor& source) -> Tensor& {
        check_in_place(self, "copy_");
        check_source(source, "copy_");
        self.copy_from(to(source.detach(), self.dtype()));
        return self;
      },
      "source"_a, itself, releases_gil(),
      "Copies the elements of a tensor of the same shape, of any dtype and device; returns itself.");
  tensor.def(
      "fill_",
      [](Tensor& self, nb::handle value) -> Tensor& {
        return fill_in_place(self, "fill_", element_of(value, self.dtype()));
      },
      "value"_a, itself, nb::sig("def fill_(self, value: float) -> Tensor"),
      "Sets every element; returns itself.");
  tensor.def(
      "zero_", [](Tensor& self) -> Tensor& { return fill_in_place(self, "zero_", 0); }, itself,
      "Sets every element to 0; returns itself.");
  tensor.def(
      "clamp_",
      [](Tensor& self, std::optional<double> min, std::optional<double> max) -> Tensor& {
        return update(self, "clamp_", [&](const Tensor& x) {
          return clamp(x, min.value_or(-infinity), max.value_or(infinity));
        });
      },
      "min"_a = nb::none(), "max"_a = nb::none(), itself, releases_gil(),
      "Limits every element to [min, max]; returns itself.");
  tensor.def(
      "uniform_",
      [](Tensor& self, double low, double high) -> Tensor& {
        return update(self, "uniform_",
                      [&](const Tensor& x) { return uniform(x.shape(), low, high, x.options()); });
      },
      "low"_a = 0.0, "high"_a = 1.0, itself, releases_gil(),
      "Random numbers, uniform in [low, high), from the default generator; returns itself.");
  tensor.def(
      "normal_",
      [](Tensor& self, double mean, double std) -> Tensor& {
        return update(self, "normal_",
                      [&](const Tensor& x) { return normal(x.shape(), mean, std, x.options()); });
      },
      "mean"_a = 0.0, "std"_a = 1.0, itself, releases_gil(),
      "Random numbers of the normal distribution, from the default generator; returns itself.");
}

}  // namespace gnn::python
