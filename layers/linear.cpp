#include "gnn/layers/linear.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/gemm.h"
#include "gnn/kernels/linear.h"
#include "gnn/kernels/run.h"
#include "gnn/kernels/sum_to.h"
#include "gnn/layers/init.h"

namespace gnn {
namespace {

/// x as a matrix of its last dimension's rows.
Tensor rows_of(const Tensor& x) {
  std::int64_t rows = 1;
  for (std::size_t axis = 0; axis + 1 < x.dim(); ++axis) rows *= x.shape()[axis];
  return x.alias({rows, x.size(-1)});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check<ShapeError>(weight.dim() == 2, "linear: expected weight [out, in], got {}", weight.shape());
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0);
  check<ShapeError>(x.dim() >= 1 && x.size(-1) == in, "linear: expected input [*, {}] for weight {}, got {}",
                    in, weight.shape(), x.shape());
  check<DTypeError>(x.dtype() == weight.dtype(), "linear: expected one dtype, got input {} and weight {}",
                    name_of(x.dtype()), name_of(weight.dtype()));
  if (bias.defined()) {
    check<ShapeError>(bias.shape() == Shape{out}, "linear: expected bias [{}] for weight {}, got {}", out,
                      weight.shape(), bias.shape());
    check<DTypeError>(bias.dtype() == weight.dtype(), "linear: expected one dtype, got weight {} and bias {}",
                      name_of(weight.dtype()), name_of(bias.dtype()));
  }
  const Tensor rows = rows_of(x);
  Tensor y = empty(x.shape().with(x.dim() - 1, out), x.options());
  Tensor y_rows = rows_of(y);
  kernels::run<kernels::LinearForward>(rows, weight, bias, y_rows);

  if (!is_recording({x, weight, bias})) return y;
  const Saved saved_x = weight.requires_grad() ? save(rows) : Saved();
  const Saved saved_weight = x.requires_grad() ? save(weight) : Saved();
  return record("linear", y, {x, weight, bias},
                [saved_x, saved_weight, input = x.shape(), in, out](const Tensor& dy, Gradients& grads) {
                  const Tensor dy_rows = rows_of(dy);
                  if (grads.needed(0)) {
                    Tensor dx = empty(input, dy.options());
                    Tensor dx_rows = rows_of(dx);
                    kernels::run<kernels::Gemm>(dy_rows, saved_weight.get(), dx_rows);
                    grads.set(0, dx);
                  }
                  if (grads.needed(1)) {
                    Tensor dweight = empty({out, in}, dy.options());
                    kernels::run<kernels::Gemm>(dy_rows, saved_x.get(), dweight,
                                                kernels::GemmOptions{.trans_a = true});
                    grads.set(1, dweight);
                  }
                  if (grads.needed(2)) {
                    Tensor dbias = empty({out}, dy.options());
                    kernels::run<kernels::SumTo>(dy_rows, 1.0, dbias);
                    grads.set(2, dbias);
                  }
                });
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

std::string Linear::describe() const {
  return fmt::format("{}, {}{}", weight.size(1), weight.size(0), bias.defined() ? "" : ", bias=false");
}

std::int64_t Linear::flops(const Shape&, const Shape& output) const {
  return output.numel() * (2 * weight.size(1) + (bias.defined() ? 1 : 0));
}

}  // namespace gnn
