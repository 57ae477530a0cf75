#include "cases/gemm.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/gemm.h"
#include "gnn/kernels/gemm_call.h"
#include "gnn/kernels/gemm_nonzeros.h"
#include "gnn/kernels/run.h"
#include "gnn/layers/copy.h"
#include "gnn/layers/views.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(GemmOp, cases::gemm());

Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::float32,
                     Device device = Device::cpu()) {
  return to_tensor({shape, random_values(shape.numel(), -1, 1, seed)}, dtype, device);
}

class GemmOnDevice : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(GemmOnDevice);

TEST_P(GemmOnDevice, AlphaAndBeta) {
  for (const double beta : {0.0, 1.0, -0.5}) {
    for (const std::int64_t k : {0, 3, 200}) {
      const Tensor a = random_tensor({7, k}, 1, DType::float64, device());
      const Tensor b = random_tensor({k, 70}, 2, DType::float64, device());
      Tensor c = random_tensor({7, 70}, 3, DType::float64, device());
      Array want = cases::matmul_reference(to_array(a), to_array(b), false, false);
      const Array before = to_array(c);
      for (std::int64_t i = 0; i < want.shape.numel(); ++i) want[i] = 0.25 * want[i] + beta * before[i];
      if (beta == 0) {
        c = to_tensor({c.shape(), std::vector<double>(490, std::nan(""))}, DType::float64, device());
      }
      kernels::run<kernels::Gemm>(a, b, c, kernels::GemmOptions{.alpha = 0.25, .beta = beta});
      expect_close(to_array(c), want, 1e-14, device().to_string());
    }
  }
}

TEST(Gemm, BitwiseTheSameForAnyNumberOfThreads) {
  const int before = num_threads();
  struct Sizes {
    std::int64_t m, n, k;
  };
  for (const Sizes s : {Sizes{64, 500, 800}, Sizes{700, 65, 33}, Sizes{5, 1000, 300}, Sizes{300, 10, 1000}}) {
    const Tensor a = random_tensor({s.m, s.k}, 1);
    const Tensor b = random_tensor({s.k, s.n}, 2);
    set_num_threads(1);
    const std::vector<float> one = matmul(a, b).to_vector<float>();
    for (const int threads : {2, 3, 7}) {
      set_num_threads(threads);
      EXPECT_EQ(matmul(a, b).to_vector<float>(), one) << threads << " threads";
    }
  }
  set_num_threads(before);
}

TEST_P(GemmOnDevice, NanAndInfinityGoThrough) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor a = from_values<float>({1, inf, 0, std::nanf("")}, {2, 2}, device());
  const Tensor b = from_values<float>({1, 1, 1, 1}, {2, 2}, device());
  const std::vector<float> c = matmul(a, b).to_vector<float>();
  EXPECT_EQ(c[0], inf);
  EXPECT_TRUE(std::isnan(c[2]));
}

template <class T>
class GemmWithZeros : public ::testing::Test {
 protected:
  static Tensor tensor(const Shape& shape, std::vector<double> values) {
    return to_tensor({shape, std::move(values)}, dtype_of<T>);
  }
  /// The product into c, all at once, or by thirteen to sixteen columns of c at a time, which leaves no zero
  /// out.
  static std::vector<T> product(const Tensor& a, const Tensor& b, Tensor c,
                                const kernels::GemmOptions& options, bool at_once) {
    c = clone(c);
    const kernels::GemmCall<T> whole = kernels::make_gemm_call<T>(a, b, c, options);
    const std::int64_t parts = at_once ? 1 : (whole.n + 15) / 16;
    for (std::int64_t i = 0; i < parts; ++i) {
      const std::int64_t j = whole.n * i / parts;
      kernels::GemmCall<T> part = whole;
      part.n = whole.n * (i + 1) / parts - j;
      part.b.data += whole.b.transposed ? j * whole.b.stride : j;
      part.c += j;
      EXPECT_EQ(kernels::has_many_zeros(part), at_once);
      kernels::gemm_cpu(part);
    }
    return c.to_vector<T>();
  }
};
using FloatingTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GemmWithZeros, FloatingTypes);

TYPED_TEST(GemmWithZeros, GivesTheSameBits) {
  struct Sizes {
    std::int64_t m, n, k;
  };
  const int before = num_threads();
  for (const Sizes s : {Sizes{64, 800, 500}, Sizes{500, 800, 64}, Sizes{300, 130, 200}, Sizes{40, 77, 17}}) {
    for (const bool trans_a : {false, true}) {
      for (const bool trans_b : {false, true}) {
        for (const double beta : {0.0, 1.0, 0.5}) {
          const kernels::GemmOptions options{trans_a, trans_b, beta == 0 ? 1.0 : -0.75, beta};
          const Tensor a = this->tensor(trans_a ? Shape{s.k, s.m} : Shape{s.m, s.k},
                                        cases::values_with_zeros(s.m * s.k, 0.3, 1));
          const Tensor b =
              this->tensor(trans_b ? Shape{s.n, s.k} : Shape{s.k, s.n}, random_values(s.k * s.n, -1, 1, 2));
          const Tensor c = this->tensor({s.m, s.n}, random_values(s.m * s.n, -1, 1, 3));
          const std::vector<TypeParam> want = this->product(a, b, c, options, false);
          for (const int threads : {1, 2, 7}) {
            set_num_threads(threads);
            EXPECT_EQ(this->product(a, b, c, options, true), want)
                << s.m << "x" << s.n << "x" << s.k << (trans_a ? " t" : " n") << (trans_b ? "t" : "n")
                << ", beta " << beta << ", " << threads << " threads";
          }
          set_num_threads(before);
        }
      }
    }
  }
}

TYPED_TEST(GemmWithZeros, ZeroTimesWhatIsNotFiniteIsNaN) {
  constexpr std::int64_t m = 40;
  constexpr std::int64_t n = 300;
  constexpr std::int64_t k = 150;
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<double> left = cases::values_with_zeros(m * k, 0.3, 1);
  for (const std::int64_t p : {5, 149}) left[static_cast<std::size_t>(2 * k + p)] = 0;
  std::vector<double> right = random_values(k * n, -1, 1, 2);
  right[5 * n + 70] = inf;                // in the middle of a panel
  right[149 * n + n - 1] = std::nan("");  // in the last one
  const Tensor a = this->tensor({m, k}, left);
  const Tensor b = this->tensor({k, n}, right);
  const Tensor c = this->tensor({m, n}, std::vector<double>(m * n, 0));
  const std::vector<TypeParam> got = this->product(a, b, c, {}, true);
  const std::vector<TypeParam> want = this->product(a, b, c, {}, false);
  EXPECT_TRUE(std::isnan(got[2 * n + 70]));
  EXPECT_TRUE(std::isnan(got[2 * n + n - 1]));
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << "element " << i;
    } else {
      EXPECT_EQ(got[i], want[i]) << "element " << i;
    }
  }
}

/// -0 is a zero, too, and a row may have nothing else, or a product that is too small for its type.
TYPED_TEST(GemmWithZeros, ZeroHasNoSign) {
  const double smallest = static_cast<double>(std::numeric_limits<TypeParam>::min());
  std::vector<double> left(40 * 30, -0.0);
  left[3 * 30] = smallest;
  const Tensor a = this->tensor({40, 30}, left);
  const Tensor b = this->tensor({30, 200}, std::vector<double>(30 * 200, -smallest));
  const Tensor c = this->tensor({40, 200}, std::vector<double>(40 * 200, std::nan("")));
  for (const bool at_once : {false, true}) {
    for (const TypeParam value : this->product(a, b, c, {}, at_once)) {
      EXPECT_EQ(value, TypeParam{0});
      EXPECT_FALSE(std::signbit(value));
    }
  }
}

/// A batch of a few rows is multiplied in one way, a larger one, which may fill a part of a panel only, in
/// another.
TEST(Gemm, SamplesOfABatchDoNotDependOnTheOthers) {
  const int before = num_threads();
  for (const std::int64_t k : {300, 20, 16, 5}) {
    const Tensor x = random_tensor({130, k}, 1);
    const Tensor weight = random_tensor({75, k}, 2);
    const auto product = [&](std::int64_t batch) {
      return matmul(slice(x, 0, batch), weight, {.trans_b = true}).to_vector<float>();
    };
    set_num_threads(1);
    const std::vector<float> few = product(8);
    const std::vector<float> many = product(130);
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      for (const std::int64_t batch : {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 63, 65, 100, 130}) {
        const std::vector<float>& all = batch <= 8 ? few : many;
        EXPECT_EQ(product(batch), std::vector<float>(all.begin(), all.begin() + batch * 75))
            << batch << " rows, depth " << k << ", " << threads << " threads";
      }
    }
  }
  set_num_threads(before);
}

TEST(Gemm, ErrorsNameShapesAndDtypes) {
  EXPECT_EQ(message_of([] {
              matmul(zeros({2, 3}), zeros({4, 5}));
            }),
            "matmul: the inner sizes differ: [2, 3] times [4, 5]");
  EXPECT_EQ(message_of([] {
              matmul(zeros({2, 3}), zeros({3, 5}), {.trans_a = true});
            }),
            "matmul: the inner sizes differ: [2, 3] (transposed) times [3, 5]");
  EXPECT_THROW(matmul(zeros({3}), zeros({3, 5})), ShapeError);
  EXPECT_THROW(matmul(zeros({2, 2, 3}), zeros({4, 3, 5})), ShapeError);
  EXPECT_THROW(matmul(zeros({1, 2, 2, 3}), zeros({3, 5})), ShapeError);
  EXPECT_THROW(matmul(zeros({2, 3}), zeros({3, 5}, {.dtype = DType::float64})), DTypeError);
  const Tensor integers = from_values<std::int64_t>({1}, {1, 1});
  EXPECT_THROW(matmul(integers, integers), DTypeError);
}

TEST(Gemm, KernelChecksItsShapes) {
  const Tensor a = zeros({2, 3});
  const Tensor b = zeros({3, 4});
  Tensor wrong = zeros({2, 5});
  EXPECT_THROW(kernels::run<kernels::Gemm>(a, b, wrong), ShapeError);
  Tensor batched = zeros({2, 2, 4});
  EXPECT_NO_THROW(kernels::run<kernels::Gemm>(a, b, batched));
}

}  // namespace
}  // namespace gnn::testing
