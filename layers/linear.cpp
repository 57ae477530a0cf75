#include "gnn/layers/linear.h"

#include <optional>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/linear.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/init.h"

namespace gnn {
namespace {

/// x as a matrix of its last dimension's rows.
Tensor rows_of(const Tensor& x) {
  std::int64_t rows = 1;
  for (std::size_t axis = 0; axis + 1 < x.dim(); ++axis) rows *= x.shape()[axis];
  return x.alias({rows, x.size(-1)});
}

/// linear(), or with_relu linear_relu(), under the name that errors and the tape give it.
Tensor apply(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, bool with_relu) {
  check<ShapeError>(weight.dim() == 2, "{}: expected weight [out, in], got {}", op, weight.shape());
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0);
  check<ShapeError>(x.dim() >= 1 && x.size(-1) == in, "{}: expected input [*, {}] for weight {}, got {}", op,
                    in, weight.shape(), x.shape());
  check<DTypeError>(x.dtype() == weight.dtype(), "{}: expected one dtype, got input {} and weight {}", op,
                    name_of(x.dtype()), name_of(weight.dtype()));
  if (bias.defined()) {
    check<ShapeError>(bias.shape() == Shape{out}, "{}: expected bias [{}] for weight {}, got {}", op, out,
                      weight.shape(), bias.shape());
    check<DTypeError>(bias.dtype() == weight.dtype(), "{}: expected one dtype, got weight {} and bias {}", op,
                      name_of(weight.dtype()), name_of(bias.dtype()));
  }
  const Tensor rows = rows_of(x);
  Tensor y = empty(x.shape().with(x.dim() - 1, out), x.options());
  Tensor y_rows = rows_of(y);
  kernels::run<kernels::LinearForward>(rows, weight, bias, y_rows, with_relu);

  if (!is_recording({x, weight, bias})) return y;
  const Saved saved_x = weight.requires_grad() ? save(rows) : Saved();
  const Saved saved_weight = x.requires_grad() ? save(weight) : Saved();
  const Saved saved_y = with_relu ? save(y_rows) : Saved();
  return record(
      op, y, {x, weight, bias},
      [saved_x, saved_weight, saved_y, input = x.shape(), in, out](const Tensor& dy, Gradients& grads) {
        const auto wanted = [&](std::size_t index, const Shape& shape) {
          return grads.needed(index) ? empty(shape, dy.options()) : Tensor();
        };
        Tensor dx = wanted(0, input);
        Tensor dx_rows = dx.defined() ? rows_of(dx) : Tensor();
        Tensor dweight = wanted(1, {out, in});
        Tensor dbias = wanted(2, {out});
        kernels::run<kernels::LinearBackward>(saved_x.get(), saved_weight.get(), rows_of(dy), saved_y.get(),
                                              dx_rows, dweight, dbias);
        if (dx.defined()) grads.set(0, dx);
        if (dweight.defined()) grads.set(1, dweight);
        if (dbias.defined()) grads.set(2, dbias);
      });
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return apply("linear", x, weight, bias, false);
}

Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return apply("linear_relu", x, weight, bias, true);
}

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool with_bias) : Module("Linear") {
  check<ValueError>(in_features >= 0 && out_features >= 0,
                    "Linear: expected numbers of features from 0, got {} and {}", in_features, out_features);
  weight = parameter("weight", uniform_fan_in({out_features, in_features}, in_features));
  if (with_bias) bias = parameter("bias", uniform_fan_in({out_features}, in_features));
}

Tensor Linear::forward(const Tensor& x) {
  return linear(x, weight, bias);
}

Tensor Linear::with_relu(const Tensor& x) {
  if (ForwardObserver::active()) return relu((*this)(x));  // which is to see this layer's own result
  std::optional<LayerScope> scope;
  if (!name().empty()) scope.emplace(name());
  return linear_relu(x, weight, bias);
}

std::string Linear::describe() const {
  return fmt::format("{}, {}{}", weight.size(1), weight.size(0), bias.defined() ? "" : ", bias=false");
}

std::int64_t Linear::flops(const Shape&, const Shape& output) const {
  return output.numel() * (2 * weight.size(1) + (bias.defined() ? 1 : 0));
}

}  // namespace gnn
