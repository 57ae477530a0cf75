#include "gnn/layers/random.h"

#include <cmath>

#include "gnn/core/check.h"
#include "gnn/kernels/random.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

/// A new tensor, and the part of the sequence that fills it.
template <class Kernel>
Tensor draw(const char* op, const Shape& shape, const TensorOptions& options, Generator* generator, double a,
            double b) {
  check<DTypeError>(options.dtype == DType::float32 || options.dtype == DType::float64,
                    "{}: expected float32 or float64, got {}", op, options.dtype);
  Tensor y = empty(shape, options);
  Generator& source = generator != nullptr ? *generator : default_generator();
  kernels::run<Kernel>(y, source.reserve(kernels::random_words(y)), a, b);
  return y;
}

}  // namespace

Tensor uniform(const Shape& shape, double low, double high, const TensorOptions& options,
               Generator* generator) {
  check<ValueError>(low <= high && std::isfinite(high - low),
                    "uniform: expected finite low <= high, got {} and {}", low, high);
  return draw<kernels::Uniform>("uniform", shape, options, generator, low, high);
}

Tensor normal(const Shape& shape, double mean, double std, const TensorOptions& options,
              Generator* generator) {
  check<ValueError>(std::isfinite(mean) && std::isfinite(std) && std >= 0,
                    "normal: expected a finite mean and a finite std >= 0, got {} and {}", mean, std);
  return draw<kernels::Normal>("normal", shape, options, generator, mean, std);
}

Tensor rand(const Shape& shape, const TensorOptions& options, Generator* generator) {
  return draw<kernels::Uniform>("rand", shape, options, generator, 0, 1);
}

Tensor randn(const Shape& shape, const TensorOptions& options, Generator* generator) {
  return draw<kernels::Normal>("randn", shape, options, generator, 0, 1);
}

}  // namespace gnn
