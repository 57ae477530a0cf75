// What libgnn.nn.functional has: layers and losses as functions, with PyTorch's names, order and defaults.

#include <span>

#include "bindings.h"

namespace gnn::python {

Reduction parse_reduction(const std::string& text) {
  if (text == "none") return Reduction::none;
  if (text == "mean") return Reduction::mean;
  if (text == "sum") return Reduction::sum;
  throw ValueError("reduction: expected \"none\", \"mean\" or \"sum\", got \"" + text + "\"");
}

namespace {

using OptionalTensor = std::optional<Tensor>;

GeluApproximation parse_approximation(const std::string& text) {
  if (text == "none") return GeluApproximation::none;
  if (text == "tanh") return GeluApproximation::tanh;
  throw ValueError("gelu: expected approximate to be \"none\" or \"tanh\", got \"" + text + "\"");
}

void bind_activations(nb::module_& m) {
  m.def("leaky_relu", &leaky_relu, "input"_a, "negative_slope"_a = 0.01, releases_gil(),
        "x where it is positive, else negative_slope * x.");
  m.def("elu", &elu, "input"_a, "alpha"_a = 1.0, releases_gil(),
        "x where it is positive, else alpha * (exp(x) - 1).");
  m.def(
      "gelu",
      [](const Tensor& x, const std::string& approximate) {
        return gelu(x, parse_approximation(approximate));
      },
      "input"_a, "approximate"_a = "none", releases_gil(),
      "x times the normal distribution's probability of values below x; approximate='tanh' for its "
      "approximation by "
      "tanh.");
  m.def("silu", &silu, "input"_a, releases_gil(), "x * sigmoid(x).");
  m.def("softplus", &softplus, "input"_a, "beta"_a = 1.0, releases_gil(), "log(1 + exp(beta * x)) / beta.");
  m.def("heaviside_step", &step, "input"_a, releases_gil(),
        "1 where x is positive, else 0. The gradient is 0.");
}

void bind_convolution(nb::module_& m) {
  m.def(
      "conv2d",
      [](const Tensor& input, const Tensor& weight, const OptionalTensor& bias, Size2 stride, Size2 padding,
         Size2 dilation, std::int64_t groups) {
        return conv2d(input, weight, or_undefined(bias),
                      {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups});
      },
      "input"_a, "weight"_a, "bias"_a = nb::none(), "stride"_a = Size2(1), "padding"_a = Size2(0),
      "dilation"_a = Size2(1), "groups"_a = 1, releases_gil(),
      "Convolution (cross-correlation) of images.\n\n"
      "input: [N, C, H, W] or [C, H, W]; weight: [out, C / groups, kh, kw]; bias: [out] or None; float32 or "
      "float64. stride, padding (of zeros) and dilation: a number or (height, width). Returns "
      "[N, out, H', W'] or [out, H', W'] with\n"
      "H' = (H + 2 * padding - dilation * (kh - 1) - 1) // stride + 1.\n\n"
      "Raises ValueError for shapes and parameters that do not fit, TypeError for other or mixed dtypes.");
  m.def(
      "conv2d_pool",
      [](const Tensor& input, const Tensor& weight, const OptionalTensor& bias, Size2 stride, Size2 padding,
         Size2 dilation, std::int64_t groups, bool relu) {
        return conv2d_pool(
            input, weight, or_undefined(bias),
            {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups, .relu = relu});
      },
      "input"_a, "weight"_a, "bias"_a = nb::none(), "stride"_a = Size2(1), "padding"_a = Size2(0),
      "dilation"_a = Size2(1), "groups"_a = 1, "relu"_a = false, releases_gil(),
      "max_pool2d(conv2d(...), 2), with ReLU between them on demand, as one operation: faster, and less is "
      "kept for "
      "the backward pass. Arguments as conv2d's.");
  m.def(
      "max_pool2d",
      [](const Tensor& input, Size2 kernel_size, std::optional<Size2> stride, Size2 padding, Size2 dilation,
         bool ceil_mode) {
        return max_pool2d(
            input, kernel_size,
            MaxPool2dOptions{
                .stride = stride, .padding = padding, .dilation = dilation, .ceil_mode = ceil_mode});
      },
      "input"_a, "kernel_size"_a, "stride"_a = nb::none(), "padding"_a = Size2(0), "dilation"_a = Size2(1),
      "ceil_mode"_a = false, releases_gil(),
      "The maximum of each window of images [N, C, H, W] or [C, H, W]; NaN where there is one. stride: the "
      "kernel size by default; padding, of -infinity, at most half of the kernel. Of equal values the first "
      "gets the gradient.");
  m.def(
      "avg_pool2d",
      [](const Tensor& input, Size2 kernel_size, std::optional<Size2> stride, Size2 padding, bool ceil_mode,
         bool count_include_pad, std::optional<std::int64_t> divisor_override) {
        return avg_pool2d(input, kernel_size,
                          AvgPool2dOptions{.stride = stride,
                                           .padding = padding,
                                           .ceil_mode = ceil_mode,
                                           .count_include_pad = count_include_pad,
                                           .divisor_override = divisor_override});
      },
      "input"_a, "kernel_size"_a, "stride"_a = nb::none(), "padding"_a = Size2(0), "ceil_mode"_a = false,
      "count_include_pad"_a = true, "divisor_override"_a = nb::none(), releases_gil(),
      "The mean of each window of images [N, C, H, W] or [C, H, W]. stride: the kernel size by default; "
      "padding, of zeros, at most half of the kernel.");
}

void bind_losses(nb::module_& m) {
  m.def(
      "cross_entropy",
      [](const Tensor& input, const Tensor& target, const OptionalTensor& weight, std::int64_t ignore_index,
         const std::string& reduction, double label_smoothing) {
        return cross_entropy(input, target,
                             {.weight = or_undefined(weight),
                              .ignore_index = ignore_index,
                              .label_smoothing = label_smoothing,
                              .reduction = parse_reduction(reduction)});
      },
      "input"_a, "target"_a, "weight"_a = nb::none(), nb::kw_only(), "ignore_index"_a = -100,
      "reduction"_a = "mean", "label_smoothing"_a = 0.0, releases_gil(),
      "The cross-entropy of logits and classes.\n\n"
      "input: logits [N, C], float32 or float64; target: classes [N], int64; weight: a factor for each class "
      "[C]. "
      "Samples of class ignore_index do not count; label_smoothing, in [0, 1], is spread evenly over the "
      "classes. "
      "Returns a scalar, or [N] with reduction='none'.\n\n"
      "Raises IndexError for a class out of range (on CUDA the loss is NaN instead), ValueError and "
      "TypeError for "
      "shapes, parameters and dtypes that do not fit.");
  using Loss = Tensor (*)(const Tensor&, const Tensor&, Reduction);
  const auto def_loss = [&](const char* name, Loss loss, const char* doc) {
    m.def(
        name,
        [loss](const Tensor& input, const Tensor& target, const std::string& reduction) {
          return loss(input, target, parse_reduction(reduction));
        },
        "input"_a, "target"_a, nb::kw_only(), "reduction"_a = "mean", releases_gil(), doc);
  };
  def_loss("mse_loss", &mse_loss, "(input - target)^2, as their mean, sum, or element by element ('none').");
  def_loss("l1_loss", &l1_loss, "|input - target|, as their mean, sum, or element by element ('none').");
}

}  // namespace

void bind_functional(nb::module_& m) {
  bind_activations(m);
  bind_convolution(m);
  bind_losses(m);
  m.def(
      "linear",
      [](const Tensor& input, const Tensor& weight, const OptionalTensor& bias) {
        return linear(input, weight, or_undefined(bias));
      },
      "input"_a, "weight"_a, "bias"_a = nb::none(), releases_gil(),
      "input [..., in] times the transpose of weight [out, in], plus bias [out]: [..., out].");
  m.def(
      "linear_relu",
      [](const Tensor& input, const Tensor& weight, const OptionalTensor& bias) {
        return linear_relu(input, weight, or_undefined(bias));
      },
      "input"_a, "weight"_a, "bias"_a = nb::none(), releases_gil(),
      "relu(linear(input, weight, bias)) as one operation, for which less is kept for the backward pass.");
  m.def(
      "dropout", [](const Tensor& input, double p, bool training) { return dropout(input, p, training); },
      "input"_a, "p"_a = 0.5, "training"_a = true, releases_gil(),
      "Elements become 0 with probability p, the others are divided by 1 - p; the input itself unless "
      "training. Random "
      "numbers come from the default generator.");
  m.def(
      "clip_grad_norm",
      [](const std::vector<Tensor>& parameters, double max_norm, bool error_if_nonfinite) {
        return clip_grad_norm(parameters, max_norm, {.error_if_nonfinite = error_if_nonfinite});
      },
      "parameters"_a, "max_norm"_a, "error_if_nonfinite"_a = false, releases_gil(),
      "Scales all gradients so that their common L2 norm is at most max_norm; returns the norm they had "
      "(float64).");
  m.def(
      "clip_grad_value",
      [](const std::vector<Tensor>& parameters, double clip_value) {
        clip_grad_value(parameters, clip_value);
      },
      "parameters"_a, "clip_value"_a, releases_gil(),
      "Limits every element of all gradients to +-clip_value.");
}

}  // namespace gnn::python
