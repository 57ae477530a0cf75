#include "cases/sum_to.h"

#include "gnn/core/error.h"
#include "gnn/layers/views.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(SumToOp, cases::sum_to());

Tensor sum(const Tensor& x, const Shape& shape) {
  Tensor y = empty(shape, x.options());
  kernels::run<kernels::SumTo>(x, 1.0, y);
  return y;
}

TEST(SumTo, SameBitsForAnyNumberOfThreads) {
  const std::vector<double> values = random_values(300 * 1000, -1, 1, 3);
  const Tensor x = from_values(std::vector<float>(values.begin(), values.end()), {300, 1000});
  const int before = num_threads();
  for (const Shape& shape : {Shape{1000}, Shape{300, 1}, Shape{}}) {
    set_num_threads(1);
    const std::vector<float> one = sum(x, shape).to_vector<float>();
    for (const int threads : {2, 3, 8}) {
      set_num_threads(threads);
      EXPECT_EQ(sum(x, shape).to_vector<float>(), one) << threads << " threads, " << shape.to_string();
    }
  }
  set_num_threads(before);
}

// A running float32 sum would stop growing at 2^24.
TEST(SumTo, LongFloatSumsStayExact) {
  constexpr std::int64_t count = 20'000'000;
  const Tensor x = from_values(std::vector<float>(count, 1.0F), {count});
  EXPECT_EQ(sum(x, {}).item(), 2e7);
  EXPECT_EQ(sum(x.alias({count / 2, 2}), {2}).to_vector<float>(), (std::vector<float>{1e7, 1e7}));
}

class SumToView : public DeviceTest {};

// It begins anywhere in a vector of CUDA's loads.
TEST_P(SumToView, IsSummedAsItsCopyIs) {
  for (const std::int64_t length : {3, 41, 289}) {
    const Shape shape{6, 3, length};
    const Tensor x = to_tensor({shape, random_values(shape.numel(), -1, 1, 5)}, DType::float32, device());
    for (std::int64_t begin = 1; begin < 5; ++begin) {
      const Tensor view = slice(x, begin, 6);
      const Tensor copy = from_values(view.to_vector<float>(), view.shape(), device());
      for (const Shape& to : {Shape{3, 1}, Shape{6 - begin, 1, 1}, Shape{3, length}, Shape{}}) {
        EXPECT_EQ(sum(view, to).to_vector<float>(), sum(copy, to).to_vector<float>())
            << view.shape().to_string() << " to " << to.to_string();
      }
    }
  }
}

GNN_INSTANTIATE_FOR_DEVICES(SumToView);

TEST(SumTo, Errors) {
  const Tensor x = zeros({2, 3});
  Tensor y = zeros({2});
  EXPECT_THROW(kernels::run<kernels::SumTo>(x, 1.0, y), ShapeError);
  Tensor larger = zeros({4, 2, 3});
  EXPECT_THROW(kernels::run<kernels::SumTo>(x, 1.0, larger), ShapeError);
  Tensor wrong = zeros({3}, {.dtype = DType::float64});
  EXPECT_THROW(kernels::run<kernels::SumTo>(x, 1.0, wrong), DTypeError);
}

}  // namespace
}  // namespace gnn::testing
