#include "gnn/layers/softmax.h"

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/kernels/softmax.h"

namespace gnn {
namespace {

Tensor normalize(const char* op, const Tensor& x, std::int64_t axis, bool log) {
  check<DTypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                    "{}: expected float32 or float64, got {}", op, x.dtype());
  const auto dim = static_cast<std::int64_t>(x.dim());
  check<IndexError>(axis >= -dim && axis < dim, "{}: axis {} is out of range for an input of shape {}", op,
                    axis, x.shape());
  const std::size_t middle = x.shape().normalize_axis(axis);
  kernels::ReduceDims dims{1, x.shape()[middle], 1};
  for (std::size_t i = 0; i < x.dim(); ++i) {
    if (i != middle) (i < middle ? dims.outer : dims.inner) *= x.shape()[i];
  }
  Tensor y = empty_like(x);
  kernels::run<kernels::SoftmaxForward>(x, dims, log, y);
  return record(op, y, {x}, [y = save(y), dims, log](const Tensor& dy, Gradients& grads) {
    Tensor dx = empty_like(dy);
    kernels::run<kernels::SoftmaxBackward>(y.get(), dy, dims, log, dx);
    grads.set(0, dx);
  });
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) {
  return normalize("softmax", x, axis, false);
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  return normalize("log_softmax", x, axis, true);
}

Softmax::Softmax(std::int64_t axis) : Module("Softmax"), axis_(axis) {}

Tensor Softmax::forward(const Tensor& input) {
  return softmax(input, axis_);
}

std::string Softmax::describe() const {
  return fmt::format("axis={}", axis_);
}

// Maximum, difference, exp, sum and quotient.
std::int64_t Softmax::flops(const Shape& input, const Shape&) const {
  return 5 * input.numel();
}

LogSoftmax::LogSoftmax(std::int64_t axis) : Module("LogSoftmax"), axis_(axis) {}

Tensor LogSoftmax::forward(const Tensor& input) {
  return log_softmax(input, axis_);
}

std::string LogSoftmax::describe() const {
  return fmt::format("axis={}", axis_);
}

std::int64_t LogSoftmax::flops(const Shape& input, const Shape&) const {
  return 5 * input.numel();
}

}  // namespace gnn
