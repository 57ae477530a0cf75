// New tensors: empty, zeros, ones, full, arange, rand, randn and their …_like. tensor() and from_numpy() are
// in exchange.cpp.

#include "bindings.h"

namespace gnn::python {

std::vector<std::int64_t> sizes_of(const nb::tuple& args, const char* function) {
  std::vector<std::int64_t> sizes;
  const bool one_sequence = args.size() == 1 && (PyTuple_Check(args[0].ptr()) || PyList_Check(args[0].ptr()));
  const nb::object sequence = one_sequence ? nb::object(args[0]) : nb::object(args);
  if (!nb::detail::load_indices(sequence, sizes)) {
    const std::string got = nb::repr(sequence).c_str();
    throw nb::type_error(
        (std::string(function) + ": expected sizes that are whole numbers, as in (2, 3) or 2, 3, got " + got)
            .c_str());
  }
  return sizes;
}

TensorOptions options_of(std::optional<DType> dtype, const std::optional<DeviceLike>& device) {
  return {dtype.value_or(DType::float32), device ? device->get() : Device::cpu()};
}

double element_of(nb::handle number, DType dtype) {
  const double value = number_of(number);
  if (dtype == DType::int64 && PyLong_Check(number.ptr()) && !nb::int_(value).equal(number)) {
    const std::string got = nb::str(number).c_str();
    throw ValueError("expected a whole number that a double represents, got " + got +
                     "; libgnn.tensor() takes any that int64 does");
  }
  return value;
}

Tensor with_grad(Tensor tensor, bool requires_grad) {
  if (requires_grad) tensor.set_requires_grad();
  return tensor;
}

namespace {

using OptionalDType = std::optional<DType>;
using OptionalDevice = std::optional<DeviceLike>;

/// name(*size, dtype=None, device=None, requires_grad=False), and name(size=(2, 3), ...).
template <class Make>
void def_sized(nb::module_& m, const char* name, Make make, const char* doc) {
  const std::string options =
      "dtype: libgnn._core.dtype | None = None, device: libgnn._core.device | str | None = None, "
      "requires_grad: bool = False) -> Tensor";
  const std::string by_position =
      std::string("def ") + name + "(*size: int | collections.abc.Sequence[int], " + options;
  const std::string by_name =
      std::string("def ") + name + "(*, size: int | collections.abc.Sequence[int], " + options;
  const auto sized = [name, make](const nb::tuple& size, OptionalDType dtype, const OptionalDevice& device,
                                  bool requires_grad) {
    const Shape shape{std::span<const std::int64_t>(sizes_of(size, name))};
    const TensorOptions tensor_options = options_of(dtype, device);
    nb::gil_scoped_release released;
    return with_grad(make(shape, tensor_options), requires_grad);
  };
  m.def(
      name,
      [sized](const nb::args& size, OptionalDType dtype, const OptionalDevice& device, bool requires_grad) {
        return sized(size, dtype, device, requires_grad);
      },
      "size"_a, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(), "requires_grad"_a = false,
      nb::sig(by_position.c_str()), doc);
  m.def(
      name,
      [sized](const nb::object& size, OptionalDType dtype, const OptionalDevice& device, bool requires_grad) {
        return sized(nb::make_tuple(size), dtype, device, requires_grad);
      },
      nb::kw_only(), "size"_a, "dtype"_a = nb::none(), "device"_a = nb::none(), "requires_grad"_a = false,
      nb::sig(by_name.c_str()), doc);
}

/// name(input, dtype=None, device=None, requires_grad=False): None stands for the input's.
template <class Make>
void def_like(nb::module_& m, const char* name, Make make, const char* doc) {
  m.def(
      name,
      [make](const Tensor& input, OptionalDType dtype, const OptionalDevice& device, bool requires_grad) {
        const TensorOptions options{dtype.value_or(input.dtype()), device ? device->get() : input.device()};
        nb::gil_scoped_release released;
        return with_grad(make(input.shape(), options), requires_grad);
      },
      "input"_a, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(), "requires_grad"_a = false,
      doc);
}

/// A number that is whole, in Python's type for it.
bool is_whole(const nb::object& number) {
  return PyLong_Check(number.ptr());
}

Tensor bind_arange(const nb::object& start, const nb::object& end, const nb::object& step,
                   OptionalDType dtype, const OptionalDevice& device, bool requires_grad) {
  // As PyTorch: whole numbers make int64.
  const bool whole = is_whole(start) && is_whole(end) && is_whole(step);
  const TensorOptions options =
      options_of(dtype ? dtype : OptionalDType(whole ? DType::int64 : DType::float32), device);
  const auto number = [&](const nb::object& value) { return element_of(value, options.dtype); };
  return with_grad(arange(number(start), number(end), number(step), options), requires_grad);
}

}  // namespace

void bind_creation(nb::module_& m) {
  const auto with_value = [](double value) {
    return [value](const Shape& shape, const TensorOptions& options) { return full(shape, value, options); };
  };
  const auto make_empty = [](const Shape& shape, const TensorOptions& options) {
    return empty(shape, options);
  };
  const auto make_rand = [](const Shape& shape, const TensorOptions& options) {
    return rand(shape, options);
  };
  const auto make_randn = [](const Shape& shape, const TensorOptions& options) {
    return randn(shape, options);
  };

  def_sized(m, "empty", make_empty,
            "A new tensor of that shape whose elements are undefined. dtype: float32.");
  def_sized(m, "zeros", with_value(0),
            "A new tensor of zeros: zeros(2, 3) or zeros((2, 3)). dtype: float32.");
  def_sized(m, "ones", with_value(1), "A new tensor of ones. dtype: float32.");
  def_sized(m, "rand", make_rand,
            "Random numbers, uniform in [0, 1), drawn from the default generator; the same on every device.");
  def_sized(m, "randn", make_randn, "Random numbers of the normal distribution with mean 0 and variance 1.");
  def_like(m, "empty_like", make_empty, "empty() of the input's shape, dtype and device.");
  def_like(m, "zeros_like", with_value(0), "zeros() of the input's shape, dtype and device.");
  def_like(m, "ones_like", with_value(1), "ones() of the input's shape, dtype and device.");
  def_like(m, "rand_like", make_rand, "rand() of the input's shape, dtype and device.");
  def_like(m, "randn_like", make_randn, "randn() of the input's shape, dtype and device.");

  m.def(
      "full",
      [](const nb::object& size, const nb::object& fill_value, OptionalDType dtype,
         const OptionalDevice& device, bool requires_grad) {
        const std::vector<std::int64_t> sizes = sizes_of(nb::make_tuple(size), "full");
        const OptionalDType chosen = dtype || !is_whole(fill_value) ? dtype : OptionalDType(DType::int64);
        const TensorOptions options = options_of(chosen, device);
        const double value = element_of(fill_value, options.dtype);
        return with_grad(full(Shape(std::span<const std::int64_t>(sizes)), value, options), requires_grad);
      },
      "size"_a, "fill_value"_a, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(),
      "requires_grad"_a = false,
      "A new tensor with the same value everywhere. dtype: int64 for a whole number, else float32.");
  m.def(
      "full_like",
      [](const Tensor& input, const nb::object& fill_value, OptionalDType dtype, const OptionalDevice& device,
         bool requires_grad) {
        const TensorOptions options{dtype.value_or(input.dtype()), device ? device->get() : input.device()};
        const double value = element_of(fill_value, options.dtype);
        return with_grad(full(input.shape(), value, options), requires_grad);
      },
      "input"_a, "fill_value"_a, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(),
      "requires_grad"_a = false, "full() of the input's shape, dtype and device.");

  const char* const arange_doc =
      "The numbers start, start + step, ... below end: arange(end), arange(start, end) or arange(start, end, "
      "step). "
      "dtype: int64 when all are whole numbers, else float32.\n\nRaises ValueError for a step of 0 or of the "
      "wrong "
      "sign.";
  m.def(
      "arange",
      [](const nb::object& end, OptionalDType dtype, const OptionalDevice& device, bool requires_grad) {
        return bind_arange(nb::int_(0), end, nb::int_(1), dtype, device, requires_grad);
      },
      "end"_a, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(), "requires_grad"_a = false,
      arange_doc);
  m.def(
      "arange",
      [](const nb::object& start, const nb::object& end, const nb::object& step, OptionalDType dtype,
         const OptionalDevice& device,
         bool requires_grad) { return bind_arange(start, end, step, dtype, device, requires_grad); },
      "start"_a, "end"_a, "step"_a = 1, nb::kw_only(), "dtype"_a = nb::none(), "device"_a = nb::none(),
      "requires_grad"_a = false, arange_doc);
}

}  // namespace gnn::python
