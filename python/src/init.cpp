// Initial values, new tensors as layers/init.h makes them: libgnn.nn.init and the layers copy them into
// parameters.

#include <array>
#include <span>

#include "bindings.h"

namespace gnn::python {
namespace {

Nonlinearity parse_nonlinearity(const std::string& text) {
  struct Name {
    const char* text;
    Nonlinearity value;
  };
  constexpr std::array names{
      Name{"linear", Nonlinearity::linear},   Name{"conv2d", Nonlinearity::linear},
      Name{"sigmoid", Nonlinearity::sigmoid}, Name{"tanh", Nonlinearity::tanh},
      Name{"relu", Nonlinearity::relu},       Name{"leaky_relu", Nonlinearity::leaky_relu}};
  for (const Name& name : names)
    if (text == name.text) return name.value;
  throw ValueError(
      "nonlinearity: expected \"linear\", \"conv2d\", \"sigmoid\", \"tanh\", \"relu\" or \"leaky_relu\", got "
      "\"" +
      text + "\"");
}

KaimingOptions kaiming_options(double a, const std::string& mode, const std::string& nonlinearity) {
  if (mode != "fan_in" && mode != "fan_out")
    throw ValueError("kaiming: expected mode to be \"fan_in\" or \"fan_out\", got \"" + mode + "\"");
  return {.mode = mode == "fan_in" ? FanMode::fan_in : FanMode::fan_out,
          .nonlinearity = parse_nonlinearity(nonlinearity),
          .leaky_relu_slope = a};
}

Shape shape_from(const std::vector<std::int64_t>& sizes) {
  return Shape(std::span<const std::int64_t>(sizes));
}

}  // namespace

void bind_init(nb::module_& m) {
  using Sizes = std::vector<std::int64_t>;
  m.def(
      "init_uniform_fan_in",
      [](const Sizes& shape, std::int64_t fan_in) { return uniform_fan_in(shape_from(shape), fan_in); },
      "shape"_a, "fan_in"_a, "Uniform in +-1 / sqrt(fan_in): the default of the layers.");
  m.def(
      "init_kaiming_uniform",
      [](const Sizes& shape, double a, const std::string& mode, const std::string& nonlinearity) {
        return kaiming_uniform(shape_from(shape), kaiming_options(a, mode, nonlinearity));
      },
      "shape"_a, "a"_a = 0.0, "mode"_a = "fan_in", "nonlinearity"_a = "leaky_relu");
  m.def(
      "init_kaiming_normal",
      [](const Sizes& shape, double a, const std::string& mode, const std::string& nonlinearity) {
        return kaiming_normal(shape_from(shape), kaiming_options(a, mode, nonlinearity));
      },
      "shape"_a, "a"_a = 0.0, "mode"_a = "fan_in", "nonlinearity"_a = "leaky_relu");
  m.def(
      "init_xavier_uniform",
      [](const Sizes& shape, double gain) { return xavier_uniform(shape_from(shape), gain); }, "shape"_a,
      "gain"_a = 1.0);
  m.def(
      "init_xavier_normal",
      [](const Sizes& shape, double gain) { return xavier_normal(shape_from(shape), gain); }, "shape"_a,
      "gain"_a = 1.0);
  m.def(
      "calculate_gain",
      [](const std::string& nonlinearity, std::optional<double> param) {
        return calculate_gain(parse_nonlinearity(nonlinearity), param.value_or(0.01));
      },
      "nonlinearity"_a, "param"_a = nb::none(),
      "The factor for an initial weight before this nonlinearity; param is leaky_relu's negative slope "
      "(0.01).");
}

}  // namespace gnn::python
